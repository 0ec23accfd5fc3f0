vcl 4.1;
# Varnish as it comes: it does not pass the upgrade on. WebSocket fails, polling works.
backend server { .host = "127.0.0.1"; .port = "8101"; }
