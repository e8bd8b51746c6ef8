// The university's login: an OpenID Connect provider that takes any name and password, and remembers nothing.
//
//   node provider.mjs '[{"client_id": …, "client_secret": …, "redirect_uris": […], …}]'
//
// listens on a free port of 127.0.0.1 and prints where, as JSON.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const clients = JSON.parse(process.argv[2]);
const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients,
    claims: { openid: ["sub"], profile: ["name", "preferred_username"] },
    conformIdTokenClaims: false, // the name stands in the ID token, as with most universities
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id, name: `${id} of the university` }),
    }),
    // The university trusts its own services: nobody is asked whether the hub may know their name.
    async loadExistingGrant(ctx) {
      const grant = new provider.Grant({
        clientId: ctx.oidc.client.clientId,
        accountId: ctx.oidc.session.accountId,
      });
      grant.addOIDCScope("openid profile");
      await grant.save();
      return grant;
    },
  });
  server.on("request", provider.callback());
  console.log(JSON.stringify({ issuer }));
});
