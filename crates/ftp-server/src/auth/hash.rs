//! argon2id strings in PHC form, and the memory that they are computed in.
//!
//! Not here: when and on which thread (`verifications.rs`).

use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{Output, PasswordHash, SaltString};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::auth::UserError;

/// Blocks of 1 KiB that are reserved at least; those that are not used take no memory. What is 32 MiB or more glibc maps and
/// unmaps: it neither keeps it, nor does it learn from it to keep what is smaller.
const RESERVED: usize = 33 << 10;
/// KiB that a hash may want.
const MEMORY_MAX: u32 = 1 << 20;
/// KiB, over all passes, that it may go through: some seconds.
const WORK_MAX: u64 = 4 << 20;

/// Memory that passwords are hashed in, one after the other.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

impl Memory {
    /// So many blocks, with whatever is in them; `None` if the system has not so many.
    fn blocks(&mut self, count: usize) -> Option<&mut [Block]> {
        if self.0.len() < count {
            self.0 = Vec::new();
            self.0.try_reserve_exact(count.max(RESERVED)).ok()?;
            self.0.resize(count, Block::default());
        }
        self.0.get_mut(..count)
    }

    /// Hashes a password.
    fn hash(&mut self, argon2: &Argon2<'_>, password: &[u8], salt: &[u8]) -> Option<Output> {
        let blocks = self.blocks(argon2.params().block_count())?;
        let length = argon2.params().output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        Output::init_with(length, |out| {
            Ok(argon2.hash_password_into_with_memory(password, salt, out, &mut *blocks)?)
        })
        .ok()
    }
}

/// What hashing a password costs.
#[derive(Debug, Clone)]
pub(super) struct Cost(Params);

impl Cost {
    /// KiB over all passes.
    fn work(&self) -> u64 {
        u64::from(self.0.m_cost()) * u64::from(self.0.t_cost())
    }

    /// The higher of two.
    pub(super) fn max(self, other: &Self) -> Self {
        if other.work() > self.work() { other.clone() } else { self }
    }

    /// What is missing to a higher cost.
    pub(super) fn up_to(&self, higher: &Self) -> Option<Self> {
        let passes = higher.0.t_cost();
        let missing = higher.work().checked_sub(self.work())? / u64::from(passes);
        Params::new(u32::try_from(missing).ok()?, passes, 1, None).ok().map(Self)
    }

    /// Costs this, and nothing comes of it.
    pub(super) fn pay(&self, password: &[u8], memory: &mut Memory) {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.0.clone());
        let _unwanted = memory.hash(&argon2, password, &[0; 16]);
    }
}

impl Default for Cost {
    /// The parameters that OWASP gives first: 19 MiB, 2 passes, 1 lane.
    fn default() -> Self {
        Self(Params::default())
    }
}

/// An argon2id string, taken apart.
#[derive(Debug)]
pub(super) struct Hash {
    cost: Cost,
    version: Version,
    salt: Vec<u8>,
    output: Output,
}

impl Hash {
    pub(super) fn parse(text: &str) -> Result<Self, UserError> {
        let parsed = PasswordHash::new(text).map_err(|_| UserError::Hash)?;
        if parsed.algorithm.as_str() != "argon2id" {
            return Err(UserError::Hash);
        }
        let params = Params::try_from(&parsed).map_err(|_| UserError::Hash)?;
        let (Some(salt), Some(output)) = (parsed.salt, parsed.hash) else { return Err(UserError::Hash) };
        let version = parsed.version.map_or(Ok(Version::default()), Version::try_from);
        let mut octets = [0; 64];
        let salt = salt.decode_b64(&mut octets).map_err(|_| UserError::Hash)?.to_vec();
        let hash = Self { cost: Cost(params), version: version.map_err(|_| UserError::Hash)?, salt, output };
        if hash.cost.0.m_cost() > MEMORY_MAX || hash.cost.work() > WORK_MAX {
            return Err(UserError::Cost);
        }
        Ok(hash)
    }

    pub(super) fn cost(&self) -> &Cost {
        &self.cost
    }

    /// Whether this is the hash of `password`.
    pub(super) fn is_of(&self, password: &[u8], memory: &mut Memory) -> bool {
        let argon2 = Argon2::new(Algorithm::Argon2id, self.version, self.cost.0.clone());
        // Outputs are compared in constant time.
        memory.hash(&argon2, password, &self.salt).is_some_and(|output| output == self.output)
    }
}

/// The argon2id string of a password.
///
/// # Errors
/// [`UserError::Hashing`] if the password is longer than argon2 takes.
pub fn hash_password(password: &[u8]) -> Result<String, UserError> {
    let failed = |error: argon2::password_hash::Error| UserError::Hashing(error.to_string());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default());
    let salt = SaltString::generate(&mut OsRng);
    let mut octets = [0; 64];
    let raw = salt.decode_b64(&mut octets).map_err(failed)?;
    let Some(output) = Memory::default().hash(&argon2, password, raw) else {
        return Err(UserError::Hashing("it is too long, or there is no memory left".to_owned()));
    };
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: argon2.params().try_into().map_err(failed)?,
        salt: Some(salt.as_salt()),
        hash: Some(output),
    };
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::password_hash::{PasswordHasher, PasswordVerifier};

    #[test]
    fn hashes_are_those_of_argon2_whatever_was_in_the_memory_before() {
        let mut memory = Memory::default();
        let params = Params::new(64, 3, 2, None).unwrap();
        let salt = SaltString::generate(&mut OsRng);
        let other = Argon2::new(Algorithm::Argon2id, Version::V0x10, params);
        let other = other.hash_password(b"other", &salt).unwrap().to_string();
        for (text, password) in [(hash_password(b"one").unwrap(), &b"one"[..]), (other, b"other")] {
            let known = PasswordHash::new(&text).unwrap();
            assert!(Argon2::default().verify_password(password, &known).is_ok(), "{text}");
            let hash = Hash::parse(&text).unwrap();
            for _ in 0..2 {
                assert!(hash.is_of(password, &mut memory) && !hash.is_of(b"wrong", &mut memory), "{text}");
            }
        }
    }

    #[test]
    fn strings_that_cannot_be_verified_are_told() {
        let good = hash_password(b"x").unwrap();
        let cut = good.rsplit_once('$').unwrap().0;
        let with = |cost: &str| good.replacen("m=19456,t=2", cost, 1);
        for (text, wanted) in [
            ("plain", UserError::Hash),
            (cut, UserError::Hash),
            (&good.replacen("argon2id", "argon2i", 1), UserError::Hash),
            (&with("m=1,t=2"), UserError::Hash),
            (&with("m=4294967295,t=2"), UserError::Cost),
            (&with("m=19456,t=4294967295"), UserError::Cost),
        ] {
            assert_eq!(Hash::parse(text).map(drop), Err(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_missing_to_a_higher_cost_is_as_much_work() {
        let cost = |memory, passes| Cost(Params::new(memory, passes, 1, None).unwrap());
        let (low, high) = (cost(1000, 2), cost(4000, 3));
        assert_eq!(low.up_to(&high).unwrap().work(), 9999);
        assert!(high.up_to(&low).is_none() && high.up_to(&high).is_none());
        assert_eq!(low.max(&high).work(), 12_000);
    }
}
