vcl 4.1;
# Varnish 6 or newer. Start: varnishd -F -f /path/to/varnish.vcl -s malloc,16m -a 127.0.0.1:8080 -a tls=127.0.0.1:8444,PROXY
# Varnish has no TLS: a HAProxy with varnish-tls.cfg stands in front of it.
# What to replace in this file is said in docs/load-balancers.md.
import directors;
import std;

probe ready { .url = "/health/ready"; .interval = 1s; .timeout = 1s; .window = 1; .threshold = 1; .initial = 1; }
probe live { .url = "/health/live"; .interval = 1s; .timeout = 1s; .window = 1; .threshold = 1; .initial = 1; }

# Longer than transport.poll_hold of the nodes, which is 25 s.
backend new_n01 { .host = "127.0.0.1"; .port = "8101"; .probe = ready; .connect_timeout = 2s; .first_byte_timeout = 60s; .between_bytes_timeout = 60s; }
backend new_n02 { .host = "127.0.0.1"; .port = "8102"; .probe = ready; .connect_timeout = 2s; .first_byte_timeout = 60s; .between_bytes_timeout = 60s; }
# Sessions of a node: while it is drained it lives, and serves those that it has, but is not ready for new ones.
backend n01 { .host = "127.0.0.1"; .port = "8101"; .probe = live; .connect_timeout = 2s; .first_byte_timeout = 60s; .between_bytes_timeout = 60s; }
backend n02 { .host = "127.0.0.1"; .port = "8102"; .probe = live; .connect_timeout = 2s; .first_byte_timeout = 60s; .between_bytes_timeout = 60s; }

sub vcl_init {
  new any = directors.round_robin();
  any.add_backend(new_n01);
  any.add_backend(new_n02);
}

sub vcl_recv {
  # The pages of the nodes are not for the public.
  if (req.url !~ "^[^?]*/diffusion/?(\?|$)") { return (synth(404)); }
  # Who the client is, said by nobody but this balancer: Varnish adds its address itself, before this is run.
  set req.http.X-Forwarded-For = client.ip;
  if (local.socket == "tls") { set req.http.X-Forwarded-Proto = "https"; } else { unset req.http.X-Forwarded-Proto; }
  # The token is in the header c, or in the query; it begins with the id of the node that has the session.
  set req.backend_hint = any.backend();
  if (req.http.c ~ "^n01\." || (!req.http.c && req.url ~ "[?&]c=n01\.")) {
    if (std.healthy(n01)) { set req.backend_hint = n01; }
  } elsif (req.http.c ~ "^n02\." || (!req.http.c && req.url ~ "[?&]c=n02\.")) {
    if (std.healthy(n02)) { set req.backend_hint = n02; }
  }
  if (req.http.Upgrade ~ "(?i)websocket") { return (pipe); }
  return (pass);
}

sub vcl_pipe {
  set bereq.http.Upgrade = req.http.Upgrade;
  set bereq.http.Connection = req.http.Connection;
}
