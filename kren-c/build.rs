//! The name under which programs look for the library as they start.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let name = match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux") => "-Wl,-soname,libkren.so.0",
        Ok("macos") => "-Wl,-install_name,@rpath/libkren.0.dylib",
        _ => return,
    };
    println!("cargo:rustc-cdylib-link-arg={name}");
}
