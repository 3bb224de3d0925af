//! What goes up and comes down, and the hashes that both are judged by.

use sha2::{Digest, Sha256};

use super::super::{
    error::{Error, Result},
    random::Random,
};

/// Bytes of a digest.
pub(super) const DIGEST: usize = 32;
/// Bytes that are made at a time.
const CHUNK: usize = 16 * 1024;

/// An endless stream of bytes with a seed, hashed as it is taken.
pub(super) struct Outgoing {
    random: Random,
    chunk: Vec<u8>,
    at: usize,
    sent: u64,
    hash: Sha256,
}

impl Outgoing {
    pub(super) fn new(seed: u64) -> Outgoing {
        Outgoing { random: Random::new(seed), chunk: Vec::with_capacity(CHUNK), at: 0, sent: 0, hash: Sha256::new() }
    }

    /// What is to be sent next; never empty.
    pub(super) fn next(&mut self) -> &[u8] {
        if self.at == self.chunk.len() {
            self.chunk.clear();
            self.at = 0;
            while self.chunk.len() < CHUNK {
                self.chunk.extend(self.random.next().to_le_bytes());
            }
        }
        &self.chunk[self.at..]
    }

    /// The first `n` bytes of [`Outgoing::next`] were sent.
    pub(super) fn taken(&mut self, n: usize) {
        self.hash.update(&self.chunk[self.at..self.at + n]);
        self.at += n;
        self.sent += n as u64;
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether `answer` is the hash of what was sent.
    pub(super) fn is_hash(&self, answer: &[u8]) -> bool {
        self.hash.clone().finalize()[..] == *answer
    }
}

/// What the source sends: as many bytes as were asked for, then their hash.
pub(super) struct Incoming {
    left: u64,
    hash: Sha256,
    digest: Vec<u8>,
}

impl Incoming {
    /// Of `length` bytes.
    pub(super) fn new(length: u64) -> Incoming {
        Incoming { left: length, hash: Sha256::new(), digest: Vec::with_capacity(DIGEST) }
    }

    /// Takes what has come. Gives how much of it is payload.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<u64> {
        let payload = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.hash.update(&bytes[..payload]);
        self.left -= payload as u64;
        self.digest.extend(&bytes[payload..]);
        if self.digest.len() > DIGEST {
            return Err(Error::Wrong("the far host's source sends more than it was asked for".to_owned()));
        }
        Ok(payload as u64)
    }

    /// At the end: whether the hash is that of what has come.
    pub(super) fn end(self) -> Result<bool> {
        if self.left != 0 || self.digest.len() != DIGEST {
            let missing = self.left + (DIGEST - self.digest.len()) as u64;
            return Err(Error::Wrong(format!("the download ended {missing} bytes too early")));
        }
        Ok(self.hash.finalize()[..] == *self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_up_has_its_hash_in_any_pieces() {
        let (mut one, mut other, mut bytes) = (Outgoing::new(3), Outgoing::new(3), Vec::new());
        for n in [1, 7, 4096, 9000, 16_000, 16_384] {
            let n = n.min(one.next().len());
            bytes.extend(&one.next()[..n]);
            one.taken(n);
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let n = other.next().len().min(rest.len());
            assert_eq!(other.next()[..n], rest[..n]);
            other.taken(n);
            rest = &rest[n..];
        }
        let digest = Sha256::digest(&bytes);
        assert!(one.is_hash(&digest) && other.is_hash(&digest) && !one.is_hash(&digest[1..]));
        assert_eq!(one.sent(), bytes.len() as u64);
    }

    #[test]
    fn a_download_is_judged_and_a_short_or_long_one_refused() {
        let whole = [&[9; 1000][..], &Sha256::digest([9; 1000])[..]].concat();
        let download = |bytes: &[u8]| {
            let mut incoming = Incoming::new(1000);
            let payload: Result<u64> = bytes.chunks(300).map(|piece| incoming.take(piece)).sum();
            payload.and_then(|_| incoming.end())
        };
        assert!(download(&whole).unwrap());
        let mut wrong = whole.clone();
        wrong[500] ^= 1;
        assert!(!download(&wrong).unwrap());
        assert!(download(&whole[1..]).is_err() && download(&whole[..999]).is_err());
        assert!(download(&[&whole[..], &[0]].concat()).is_err());
    }
}
