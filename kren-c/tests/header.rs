//! The committed header is what cbindgen makes of this crate. `cargo xtask fmt` writes it anew: with `KREN_WRITE_HEADER` set, this test does.

use std::fs;
use std::path::Path;

#[test]
fn the_header_is_made_of_this_crate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let bindings = cbindgen::generate_with_config(root, config).unwrap();
    let mut made = Vec::new();
    bindings.write(&mut made);
    let made = String::from_utf8(made).unwrap();
    let file = root.join("include").join("kren.h");
    if std::env::var_os("KREN_WRITE_HEADER").is_some() {
        fs::write(&file, &made).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == made,
        "include/kren.h is not up to date: run `cargo xtask fmt`"
    );
}
