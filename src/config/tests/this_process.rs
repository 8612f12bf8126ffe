//! The configuration of the test program itself.

use super::*;

#[test]
fn loading_does_not_fail() {
    let (config, _) = Config::load(Some("slots=sign"));
    assert_eq!(config.program, program_name());
    let _ = config.spoken_language();
}

#[test]
fn the_kernel_says_that_tests_have_no_rights_of_their_own() {
    let vector = fs::read("/proc/self/auxv").unwrap();
    assert_eq!(crate::platform::secure_in(&vector), Some(false));
}
