//! Who has an address that we wanted: a start that fails says it, as far as the system tells.

use std::{fs, io, net::SocketAddr, path::PathBuf};

use crate::server::StartError;

/// Returns the error of a failed bind, with what to do about it.
pub(super) fn explain(address: SocketAddr, error: io::Error) -> StartError {
    let advice = if error.kind() == io::ErrorKind::AddrInUse {
        let program = program_at(address.port());
        let program = program.as_deref().unwrap_or("another program");
        format!(
            "{program} listens there already; stop it, or choose another port (port 0: any free one)"
        )
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        "ports below 1024 need a privilege; choose a higher port, or give the program \
         CAP_NET_BIND_SERVICE"
            .to_owned()
    } else if error.kind() == io::ErrorKind::AddrNotAvailable {
        "this machine does not have the address; use 127.0.0.1 for this machine alone, or 0.0.0.0 for \
         all its addresses"
            .to_owned()
    } else {
        "check the address, and the limits of the system".to_owned()
    };
    StartError::Listen {
        address,
        source: error,
        advice,
    }
}

/// Returns `process 123 (name)` of the program that listens on a port; `None` if the system does not tell.
fn program_at(port: u16) -> Option<String> {
    let inodes = ["/proc/net/tcp", "/proc/net/tcp6"].map(|file| listening_inodes(file, port));
    let sockets: Vec<PathBuf> = inodes
        .into_iter()
        .flatten()
        .map(|inode| PathBuf::from(format!("socket:[{inode}]")))
        .collect();
    let is_process = |entry: &fs::DirEntry| {
        entry
            .file_name()
            .as_encoded_bytes()
            .iter()
            .all(u8::is_ascii_digit)
    };
    for process in fs::read_dir("/proc").ok()?.flatten().filter(is_process) {
        let Ok(files) = fs::read_dir(process.path().join("fd")) else {
            continue; // Not ours to look at.
        };
        let has_socket = files
            .flatten()
            .any(|file| fs::read_link(file.path()).is_ok_and(|link| sockets.contains(&link)));
        if has_socket {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!(
                "process {} ({})",
                process.file_name().display(),
                name.trim()
            ));
        }
    }
    None
}

/// Reads the inodes of the sockets that listen on a port from a table of the kernel.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let table = fs::read_to_string(table).unwrap_or_default();
    let rows = table
        .lines()
        .skip(1)
        .map(|row| row.split_whitespace().collect::<Vec<_>>());
    let port = format!(":{port:04X}");
    let listening = rows.filter(|row| {
        row.get(1).is_some_and(|local| local.ends_with(&port))
            && row.get(3).is_some_and(|state| *state == LISTEN)
    });
    listening
        .filter_map(|row| row.get(9).map(|inode| (*inode).to_owned()))
        .collect()
}
