//! Who is at the other end.

use std::io;
use std::os::unix::net::UnixStream;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{Gid, Uid, User, geteuid, getgrouplist};

/// Who is at the other end, as the kernel says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    /// Its user.
    pub(super) user: u32,
    /// It may give commands that change something.
    pub(super) may_change: bool,
    /// It is root, or the user of this process.
    pub(super) is_owner: bool,
}

impl Peer {
    /// Who has connected. Members of `changers` may change something, beside root and the user of this process.
    pub(super) fn of(stream: &UnixStream, changers: Option<Gid>) -> io::Result<Peer> {
        let peer = getsockopt(stream, PeerCredentials)?;
        let user = Uid::from_raw(peer.uid());
        let is_owner = user.is_root() || user == geteuid();
        let may_change =
            is_owner || changers.is_some_and(|group| Gid::from_raw(peer.gid()) == group || is_member(user, group));
        Ok(Peer { user: user.as_raw(), may_change, is_owner })
    }
}

/// By the accounts of this machine: the kernel tells the first group of a peer only.
fn is_member(user: Uid, group: Gid) -> bool {
    let Ok(Some(account)) = User::from_uid(user) else { return false };
    let Ok(name) = std::ffi::CString::new(account.name) else { return false };
    getgrouplist(&name, account.gid).is_ok_and(|groups| groups.contains(&group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_user_may_change_its_own_daemon() {
        let (stream, _other) = UnixStream::pair().unwrap();
        let peer = Peer::of(&stream, None).unwrap();
        assert_eq!((peer.user, peer.may_change), (geteuid().as_raw(), true));
    }

    #[test]
    fn membership_is_the_accounts() {
        let root = User::from_uid(Uid::from_raw(0)).unwrap().expect("root");
        assert!(is_member(root.uid, root.gid));
        assert!(!is_member(root.uid, Gid::from_raw(0x7fff_fff1)));
        assert!(!is_member(Uid::from_raw(0x7fff_fff1), root.gid), "an account that is not there");
    }
}
