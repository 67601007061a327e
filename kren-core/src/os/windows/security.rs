//! Who may use a channel's objects: access lists made from a file mode, and the owner's identity.
#![allow(unsafe_code)]

use super::{Failure, wide};
use std::os::windows::io::{AsHandle, AsRawHandle as _};
use std::ptr;
use windows_sys::Win32::Foundation::{ERROR_INSUFFICIENT_BUFFER, GetLastError, HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, EqualSid, GetKernelObjectSecurity, GetSecurityDescriptorOwner,
    GetTokenInformation, OWNER_SECURITY_INFORMATION, PSID, SECURITY_ATTRIBUTES,
    TOKEN_INFORMATION_CLASS, TOKEN_PRIMARY_GROUP, TOKEN_USER, TokenPrimaryGroup, TokenUser,
};
use windows_sys::core::PWSTR;

/// The token that access checks use: the thread's if it impersonates, else the process's.
///
/// A constant of the system that stands for a handle; it is never closed.
const EFFECTIVE_TOKEN: HANDLE = -6_isize as HANDLE;

/// Everything that can be done to a section or an event, as one mask that means the same for both:
/// all standard rights, and query, write (wake) and read.
///
/// Not the generic rights: the system would turn them into rights of a section, and the same list
/// would then deny sleeping on an event.
const OWNER_RIGHTS: &str = "0x1f0007";
/// The same without deleting and without changing the list or the owner.
const USER_RIGHTS: &str = "0x120007";

/// A security descriptor in one piece, aligned as the system wants it.
pub(super) struct Security(Vec<u64>);

impl Security {
    /// For objects of this user's own. The owner may do everything; the user's primary group, and
    /// everybody, may use them where the mode lets them read and write.
    pub(super) fn from_mode(mode: u32) -> Result<Self, Failure> {
        let user = TokenText::user()?;
        let mut text = format!("O:{user}D:P(A;;{OWNER_RIGHTS};;;{user})", user = user.0);
        if mode & 0o060 == 0o060 {
            let group = TokenText::primary_group()?;
            text += &format!("(A;;{USER_RIGHTS};;;{})", group.0);
        }
        if mode & 0o006 == 0o006 {
            text += &format!("(A;;{USER_RIGHTS};;;WD)");
        }
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, Failure> {
        let text = wide(text);
        let mut descriptor = ptr::null_mut();
        let mut len = 0;
        // SAFETY: the text is NUL-terminated, and the results are writable.
        let parsed = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                &raw mut len,
            )
        };
        if parsed == 0 {
            return Err(Failure::last(
                "ConvertStringSecurityDescriptorToSecurityDescriptorW",
            ));
        }
        let mut buffer = vec![0_u64; (len as usize).div_ceil(8)];
        // SAFETY: the system made `len` bytes in one piece, which are copied and given back.
        unsafe {
            ptr::copy_nonoverlapping(
                descriptor.cast::<u8>(),
                buffer.as_mut_ptr().cast(),
                len as usize,
            );
            LocalFree(descriptor);
        }
        Ok(Self(buffer))
    }

    /// For objects that go with `section`, whoever of its users makes them: its access list alone,
    /// since nobody can make an object that belongs to another.
    pub(super) fn of(section: &impl AsHandle) -> Result<Self, Failure> {
        ask(section, DACL_SECURITY_INFORMATION).map(Self)
    }

    /// For the call that creates an object, while `self` lives. Handles are not inherited: a child
    /// process would keep alive what stands for this one's life.
    pub(super) fn attributes(&self) -> SECURITY_ATTRIBUTES {
        SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
            lpSecurityDescriptor: self.0.as_ptr().cast_mut().cast(),
            bInheritHandle: 0,
        }
    }

    /// The access list in its notation.
    #[cfg(test)]
    pub(super) fn to_text(&self) -> String {
        use windows_sys::Win32::Security::Authorization::ConvertSecurityDescriptorToStringSecurityDescriptorW as convert;
        let mut wide = ptr::null_mut();
        // SAFETY: a whole descriptor, and the result is writable.
        let converted = unsafe {
            convert(
                self.0.as_ptr().cast_mut().cast(),
                SDDL_REVISION_1,
                DACL_SECURITY_INFORMATION,
                &raw mut wide,
                ptr::null_mut(),
            )
        };
        assert_ne!(converted, 0);
        // SAFETY: the system made a NUL-terminated string.
        unsafe { take(wide) }
    }
}

/// Refuses an object that does not belong to the user of this process (G8).
pub(super) fn refuse_foreign(section: &impl AsHandle) -> Result<(), Failure> {
    let mut descriptor = ask(section, OWNER_SECURITY_INFORMATION)?;
    let mut owner: PSID = ptr::null_mut();
    let mut defaulted = 0;
    // SAFETY: a whole descriptor that the system filled in; the results are writable.
    let told = unsafe {
        GetSecurityDescriptorOwner(
            descriptor.as_mut_ptr().cast(),
            &raw mut owner,
            &raw mut defaulted,
        )
    };
    if told == 0 {
        return Err(Failure::last("GetSecurityDescriptorOwner"));
    }
    if owner.is_null() {
        return Err(Failure::Denied(
            "the system does not tell to whom it belongs".into(),
        ));
    }
    let user = token(TokenUser)?;
    // SAFETY: the system filled in a TOKEN_USER, which `user` keeps alive.
    let user = unsafe { (*user.as_ptr().cast::<TOKEN_USER>()).User.Sid };
    // SAFETY: both are valid identifiers inside buffers that live until the end of this function.
    if unsafe { EqualSid(owner, user) } != 0 {
        return Ok(());
    }
    Err(Failure::Denied(format!(
        "it belongs to user {}, and this process runs as user {}; if you trust that user, open it \
         with the option 'any owner'",
        text(owner)?,
        text(user)?
    )))
}

/// What the system knows of the security of `section`.
fn ask(section: &impl AsHandle, what: u32) -> Result<Vec<u64>, Failure> {
    fill("GetKernelObjectSecurity", |buffer, len, needed| {
        // SAFETY: `buffer` has `len` writable bytes, and the handle is open.
        unsafe {
            GetKernelObjectSecurity(
                section.as_handle().as_raw_handle(),
                what,
                buffer.cast(),
                len,
                needed,
            )
        }
    })
}

fn token(what: TOKEN_INFORMATION_CLASS) -> Result<Vec<u64>, Failure> {
    fill("GetTokenInformation", |buffer, len, needed| {
        // SAFETY: `buffer` has `len` writable bytes.
        unsafe { GetTokenInformation(EFFECTIVE_TOKEN, what, buffer.cast(), len, needed) }
    })
}

/// Calls `get` until the buffer, aligned to 8, is long enough.
fn fill(
    call: &'static str,
    get: impl Fn(*mut u64, u32, *mut u32) -> i32,
) -> Result<Vec<u64>, Failure> {
    let mut buffer = vec![0_u64; 32];
    loop {
        let len = size_of_val(buffer.as_slice()) as u32;
        let mut needed = 0;
        if get(buffer.as_mut_ptr(), len, &raw mut needed) != 0 {
            return Ok(buffer);
        }
        // SAFETY: no preconditions.
        let code = unsafe { GetLastError() };
        if code != ERROR_INSUFFICIENT_BUFFER || needed <= len {
            return Err(Failure::Call {
                call,
                code: code as i32,
            });
        }
        buffer.resize((needed as usize).div_ceil(8), 0);
    }
}

/// An identity of this process's token, in the notation that access lists are written in.
struct TokenText(String);

impl TokenText {
    fn user() -> Result<Self, Failure> {
        let found = token(TokenUser)?;
        // SAFETY: the system filled in a TOKEN_USER, which `found` keeps alive.
        text(unsafe { (*found.as_ptr().cast::<TOKEN_USER>()).User.Sid }).map(Self)
    }

    fn primary_group() -> Result<Self, Failure> {
        let found = token(TokenPrimaryGroup)?;
        // SAFETY: the system filled in a TOKEN_PRIMARY_GROUP, which `found` keeps alive.
        text(unsafe { (*found.as_ptr().cast::<TOKEN_PRIMARY_GROUP>()).PrimaryGroup }).map(Self)
    }
}

/// `sid` must be valid.
fn text(sid: PSID) -> Result<String, Failure> {
    let mut wide = ptr::null_mut();
    // SAFETY: `sid` is valid (the caller's duty), and the result is writable.
    if unsafe { ConvertSidToStringSidW(sid, &raw mut wide) } == 0 {
        return Err(Failure::last("ConvertSidToStringSidW"));
    }
    // SAFETY: the system made a NUL-terminated string.
    Ok(unsafe { take(wide) })
}

/// Copies a string that the system made, and gives it back.
///
/// # Safety
///
/// `wide` is NUL-terminated, and the caller's to free.
unsafe fn take(wide: PWSTR) -> String {
    // SAFETY: see above.
    unsafe {
        let len = (0..).take_while(|at| *wide.add(*at) != 0).count();
        let text = String::from_utf16_lossy(std::slice::from_raw_parts(wide, len));
        LocalFree(wide.cast());
        text
    }
}
