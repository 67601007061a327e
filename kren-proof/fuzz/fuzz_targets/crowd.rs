//! See `kren_proof::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    (kren_proof::fuzz::TARGETS[2].run)(data, &mut kren_proof::fuzz::Outcome::default());
});
