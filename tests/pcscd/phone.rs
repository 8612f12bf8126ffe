//! A phone that hides its certificate and knows no application of an issuer: it is closed by taking its power.

use std::thread;

use super::common::{AUTH, SIGN};
use super::rig::{Rig, SEEN, control, number};

#[test]
#[ignore = "needs tests/pcscd/run"]
fn each_signature_of_a_phone_costs_one_pin() {
    let rig = Rig::new();
    control("remove");
    thread::sleep(SEEN);
    control("insert phone");
    thread::sleep(SEEN);
    let verified = |name: &str| number(&control("counters phone"), name);
    for (slot, verifies) in [(AUTH, "auth_verifies"), (SIGN, "sign_verifies")] {
        let session = rig.logged_in(slot);
        let before = verified(verifies);
        for _ in 0..3 {
            rig.sign_well(session, slot).unwrap();
        }
        assert!(
            verified(verifies) >= before + 3,
            "it forgets its PIN each time"
        );
        rig.logout(session).unwrap();
    }
    assert_eq!((verified("auth_tries"), verified("sign_tries")), (3, 5));
}
