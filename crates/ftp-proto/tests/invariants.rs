//! What holds for a session whatever comes: exactly one final reply a command, no storage before login, no secret
//! in what it prints, a bounded queue, no panic.

mod promises;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_session_keeps_its_promises(seed in prop::collection::vec(any::<u8>(), 1..600)) {
        promises::keep_promises(&seed);
    }
}
