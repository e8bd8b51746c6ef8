// A login service for nginx's auth_request, with the addresses that such services have: /oauth2/auth says who it is,
// /oauth2/start begins a login with OpenID Connect, /oauth2/sign_out ends it here and at the provider.
//
//   node login_service.mjs '{"issuer": …, "public": …, "client": …, "secret": …}'
//
// listens on a free port of 127.0.0.1 and prints where, as JSON.
import express from "express";
import oidc from "express-openid-connect";

const told = JSON.parse(process.argv[2]);
const app = express();
app.use(
  oidc.auth({
    issuerBaseURL: told.issuer,
    baseURL: told.public,
    clientID: told.client,
    clientSecret: told.secret,
    secret: told.secret,
    authRequired: false,
    idpLogout: true,
    authorizationParams: { response_type: "code", scope: "openid profile" },
    routes: { login: false, callback: "/oauth2/callback", logout: false },
    session: { name: "login_service" },
  }),
);
app.get("/oauth2/auth", (request, response) => {
  if (!request.oidc.isAuthenticated()) return response.sendStatus(401);
  // Fields are bytes; Node writes latin-1.
  const name = Buffer.from(request.oidc.user.preferred_username, "utf8").toString("latin1");
  response.set({
    "X-Auth-Request-Preferred-Username": name,
    "X-Auth-Request-Access-Token": request.oidc.accessToken.access_token,
  });
  return response.sendStatus(202);
});
app.all("/oauth2/start", (request, response) =>
  response.oidc.login({ returnTo: request.get("X-Auth-Request-Redirect") ?? "/" }),
);
// ?rd= is the path to come back to.
app.get("/oauth2/sign_out", (request, response) => {
  const rd = request.query.rd ?? "/";
  const back = /^\/(?![/\\])/.test(rd) ? new URL(rd, told.public) : new URL(told.public);
  return response.oidc.logout({ returnTo: back.href });
});
const server = app.listen(0, "127.0.0.1", () => console.log(JSON.stringify(server.address())));
