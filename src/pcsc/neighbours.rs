//! Is anybody else connected to pcscd? PC/SC itself does not say. Linux does, in its table of sockets,
//! to everybody. It reads that one file. Where it cannot be read, the answer is yes.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Connections of this process.
static OURS: AtomicUsize = AtomicUsize::new(0);

/// Counts a connection of ours while it lives.
pub(super) struct Ours(());

impl Ours {
    /// One more.
    pub(super) fn new() -> Ours {
        OURS.fetch_add(1, Ordering::Relaxed);
        Ours(())
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        OURS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Has another program, or another module in this process, a connection to a pcscd? Which reader it
/// uses is not told; neither is, when several run, which pcscd it is.
pub(super) fn anybody_else() -> bool {
    match fs::read_to_string("/proc/net/unix") {
        Ok(table) => connections(&table) > OURS.load(Ordering::Relaxed),
        Err(_) => true,
    }
}

/// The connected sockets that pcscd has in the table. Each line ends with the state (03 is connected),
/// the inode and, for a socket that was accepted, the path that its listener was bound to.
fn connections(table: &str) -> usize {
    table
        .lines()
        .filter(|line| {
            let mut words = line.split_ascii_whitespace().rev();
            let is_pcscd = words
                .next()
                .is_some_and(|path| path.ends_with("/pcscd.comm"));
            is_pcscd && words.nth(1) == Some("03")
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_accepted_connections_of_pcscd_count() {
        let table = "\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 504229 /run/pcscd/pcscd.comm
0000000000000000: 00000003 00000000 00000000 0001 03 518739 /run/pcscd/pcscd.comm
0000000000000000: 00000003 00000000 00000000 0001 03 518740
0000000000000000: 00000003 00000000 00000000 0001 03 518741 /run/pcscd/pcscd.comm
0000000000000000: 00000003 00000000 00000000 0001 03 518742 /run/dbus/system_bus_socket
";
        assert_eq!(connections(table), 2);
        assert_eq!(connections(""), 0);
    }
}
