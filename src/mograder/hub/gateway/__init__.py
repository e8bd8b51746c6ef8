"""The reverse proxy between browsers and session sockets."""
