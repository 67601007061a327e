//! An extension module finds Python's symbols in the interpreter that loads it. Linux linkers allow
//! that by default; Apple's has to be told.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Py_GIL_DISABLED, for src/turn.rs.
    pyo3_build_config::use_pyo3_cfgs();
    if std::env::var("CARGO_CFG_TARGET_VENDOR").is_ok_and(|vendor| vendor == "apple") {
        println!("cargo::rustc-link-arg-cdylib=-undefined");
        println!("cargo::rustc-link-arg-cdylib=dynamic_lookup");
    }
}
