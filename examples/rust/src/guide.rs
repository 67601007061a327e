//! The Rust programs of the guide, compiled with the documentation tests: each page is the documentation of an item here.

/// Declares an item whose documentation is a page of docs/guide.
macro_rules! pages {
    ($($page:ident = $file:literal;)*) => {
        $(
            #[doc = include_str!(concat!("../../../docs/guide/", $file))]
            mod $page {}
        )*
    };
}

pages! {
    again = "again.md";
    stopping = "stopping.md";
    threads = "threads.md";
}
