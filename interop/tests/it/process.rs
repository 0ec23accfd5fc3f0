use suffuse_interop::server::Server;

#[test]
fn a_signal_ends_the_server_without_an_error() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start("n00").unwrap();
        server.signal(signal).unwrap();
        let status = server.ended().unwrap();
        assert!(
            status.success(),
            "SIG{signal} ended the server with {status}"
        );
    }
}
