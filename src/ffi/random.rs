//! Random number generation functions (PKCS#11 3.2, 5.19).

use cryptoki_sys::CK_SESSION_HANDLE;

use super::input::InBytes;
use super::output::OutArray;
use super::process;
use crate::cryptoki::rv::Rv;

cryptoki! {
    /// Seeds nothing: `CKR_RANDOM_SEED_NOT_SUPPORTED`.
    fn C_SeedRandom(session: CK_SESSION_HANDLE, (seed, seed_len): InBytes) {
        process::module_of(session)?.seed_random(session, seed.get()?)
    }

    /// Returns random bytes of the card (GET CHALLENGE).
    fn C_GenerateRandom(session: CK_SESSION_HANDLE, (random, random_len): OutArray) {
        let module = process::module_of(session)?;
        let mut random = random.open_for(MOST)?;
        while random.left() > 0 {
            let bytes = module.random(session, random.left())?;
            if random.add(&bytes) == 0 {
                return Err(Rv::FunctionFailed.into());
            }
        }
        Ok(())
    }
}

/// 4096 answers of a card take minutes: a larger number is a wrong length.
const MOST: usize = 1 << 20;
