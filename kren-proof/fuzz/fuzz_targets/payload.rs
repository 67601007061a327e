//! See `kren_proof::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    (kren_proof::fuzz::TARGETS[4].run)(data, &mut kren_proof::fuzz::Outcome::default());
});
