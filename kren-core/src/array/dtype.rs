//! What the elements of an array are.

macro_rules! dtypes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $bits:literal, $name:literal;)*) => {
        /// The type of an array's elements, the same in every language.
        ///
        /// Codes and bits are those of DLPack; `docs/spec/payloads.md` has the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum DType {
            $($(#[$doc])* $variant,)*
        }

        impl DType {
            /// Every type, in the order of the table.
            pub const ALL: &'static [DType] = &[$(DType::$variant,)*];

            /// The name that every language uses, for example `float32`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(DType::$variant => $name,)* }
            }

            /// DLPack's type code.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self { $(DType::$variant => $code,)* }
            }

            /// Bits of an element.
            #[must_use]
            pub const fn bits(self) -> u8 {
                match self { $(DType::$variant => $bits,)* }
            }

            /// The type with this code of DLPack's and so many bits, if it can be sent.
            #[must_use]
            pub const fn from_code(code: u8, bits: u8) -> Option<DType> {
                match (code, bits) {
                    $(($code, $bits) => Some(DType::$variant),)*
                    _ => None,
                }
            }

            /// The type of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<DType> {
                match name {
                    $($name => Some(DType::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

dtypes! {
    /// Signed, 8 bits.
    Int8 = 0, 8, "int8";
    /// Signed, 16 bits.
    Int16 = 0, 16, "int16";
    /// Signed, 32 bits.
    Int32 = 0, 32, "int32";
    /// Signed, 64 bits.
    Int64 = 0, 64, "int64";
    /// Unsigned, 8 bits.
    Uint8 = 1, 8, "uint8";
    /// Unsigned, 16 bits.
    Uint16 = 1, 16, "uint16";
    /// Unsigned, 32 bits.
    Uint32 = 1, 32, "uint32";
    /// Unsigned, 64 bits.
    Uint64 = 1, 64, "uint64";
    /// IEEE 754, half precision.
    Float16 = 2, 16, "float16";
    /// IEEE 754, single precision.
    Float32 = 2, 32, "float32";
    /// IEEE 754, double precision.
    Float64 = 2, 64, "float64";
    /// The upper half of a `float32`.
    Bfloat16 = 4, 16, "bfloat16";
    /// Two `float32`: real part, imaginary part.
    Complex64 = 5, 64, "complex64";
    /// Two `float64`: real part, imaginary part.
    Complex128 = 5, 128, "complex128";
    /// A byte, 0 or 1.
    Bool = 6, 8, "bool";
    /// 3 bits of exponent, 4 of mantissa.
    Float8E3m4 = 7, 8, "float8_e3m4";
    /// 4 bits of exponent, 3 of mantissa.
    Float8E4m3 = 8, 8, "float8_e4m3";
    /// As `float8_e4m3fnuz`, with a bias of 11.
    Float8E4m3b11fnuz = 9, 8, "float8_e4m3b11fnuz";
    /// As `float8_e4m3`, without infinities.
    Float8E4m3fn = 10, 8, "float8_e4m3fn";
    /// As `float8_e4m3fn`, without a negative zero.
    Float8E4m3fnuz = 11, 8, "float8_e4m3fnuz";
    /// 5 bits of exponent, 2 of mantissa.
    Float8E5m2 = 12, 8, "float8_e5m2";
    /// As `float8_e5m2`, without infinities and a negative zero.
    Float8E5m2fnuz = 13, 8, "float8_e5m2fnuz";
    /// 8 bits of exponent, and nothing else: a scale.
    Float8E8m0fnu = 14, 8, "float8_e8m0fnu";
}

impl DType {
    /// Bytes of an element.
    #[must_use]
    pub const fn size(self) -> usize {
        self.bits() as usize / 8
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that elements of an array can be looked at as.
///
/// There are none for `float16`, `bfloat16` and the types of 8 bits, which Rust lacks, nor for `bool`, which
/// is not any byte: their bytes are [`ArrayView::bytes`](super::ArrayView::bytes).
///
/// E1: every pattern of bits is a value, and there is no padding, so that bytes of the ring may be looked at
/// as elements and elements as bytes.
pub trait Element: Copy + sealed::Sealed + 'static {
    /// What it is in a message.
    const DTYPE: DType;
}

macro_rules! elements {
    ($($rust:ty => $dtype:ident;)*) => {
        $(
            impl sealed::Sealed for $rust {}
            impl Element for $rust {
                const DTYPE: DType = DType::$dtype;
            }
            // E1: no padding.
            const _: () = assert!(size_of::<$rust>() == DType::$dtype.size());
        )*
    };
}

elements! {
    i8 => Int8;
    i16 => Int16;
    i32 => Int32;
    i64 => Int64;
    u8 => Uint8;
    u16 => Uint16;
    u32 => Uint32;
    u64 => Uint64;
    f32 => Float32;
    f64 => Float64;
    [f32; 2] => Complex64;
    [f64; 2] => Complex128;
}
