//! A program that gets the function list and calls through it. All `unsafe` of the tests is in this folder and in `unix.rs`.

mod objects;
mod operations;
mod sessions;
mod slots;

use std::ptr;

use cryptoki_sys::*;

use crate::common::module::C_GetInterface;

/// What a function answered when it was not `CKR_OK`.
pub type Answer<T> = Result<T, CK_RV>;

/// A program with the function list of 3.2 in its hand.
#[derive(Clone, Copy)]
pub struct Caller {
    /// For calls that no method here makes: strange pointers and lengths.
    pub list: &'static CK_FUNCTION_LIST_3_2,
}

/// One call through the list: `call!(self.C_Login(session, user, pin, length))`.
macro_rules! call {
    ($caller:ident.$name:ident($($argument:expr),* $(,)?)) => {{
        let function = $caller.list.$name.unwrap();
        // SAFETY: every pointer is NULL or made from a value of this method that lives until the
        // function has returned, with that value's own length.
        let rv = unsafe { function($($argument),*) };
        $crate::common::caller::answer(rv)
    }};
}
use call;

impl Caller {
    /// Asks for the interface of 3.2, which the module must have.
    pub fn new() -> Caller {
        let mut version = CK_VERSION { major: 3, minor: 2 };
        let mut interface = ptr::null_mut();
        // SAFETY: NULL is allowed for the name, and the other two are ours.
        let rv = unsafe { C_GetInterface(ptr::null_mut(), &mut version, &mut interface, 0) };
        assert_eq!(rv, CKR_OK);
        // SAFETY: it is an interface, which lives as long as the module: for ever.
        let list = unsafe { (*interface).pFunctionList };
        let list: *const CK_FUNCTION_LIST_3_2 = list.cast_const().cast();
        // SAFETY: the interface of this version has this list.
        let list = unsafe { &*list };
        Caller { list }
    }

    /// `C_Finalize`.
    pub fn finalize(&self) -> Answer<()> {
        call!(self.C_Finalize(ptr::null_mut()))
    }

    /// `C_GetInfo`.
    pub fn info(&self) -> Answer<CK_INFO> {
        let mut info = CK_INFO::default();
        call!(self.C_GetInfo(&mut info)).map(|()| info)
    }
}

fn answer(rv: CK_RV) -> Answer<()> {
    match rv {
        CKR_OK => Ok(()),
        other => Err(other),
    }
}

/// An output of variable length, asked for as programs do: first how long, then the bytes.
fn bytes_of(call: impl Fn(*mut CK_BYTE, *mut CK_ULONG) -> Answer<()>) -> Answer<Vec<u8>> {
    let mut length = 0;
    call(ptr::null_mut(), &mut length)?;
    bytes_into(size(length), call)
}

/// An output of variable length into a buffer of so many bytes.
fn bytes_into(
    room: usize,
    call: impl Fn(*mut CK_BYTE, *mut CK_ULONG) -> Answer<()>,
) -> Answer<Vec<u8>> {
    let mut buffer = vec![0; room];
    let mut length = room as CK_ULONG;
    call(buffer.as_mut_ptr(), &mut length)?;
    buffer.truncate(size(length));
    Ok(buffer)
}

/// The length that is told, and what was answered, for a buffer of so many bytes; `None` asks.
fn length_told(
    room: Option<usize>,
    call: impl Fn(*mut CK_BYTE, *mut CK_ULONG) -> Answer<()>,
) -> (Answer<()>, usize) {
    let mut buffer = vec![0; room.unwrap_or(0)];
    let mut length = room.unwrap_or(0) as CK_ULONG;
    let place = match room {
        Some(_) => buffer.as_mut_ptr(),
        None => ptr::null_mut(),
    };
    let answer = call(place, &mut length);
    (answer, size(length))
}

/// A length that fits into memory, as every true one does.
fn size(length: CK_ULONG) -> usize {
    usize::try_from(length).unwrap()
}

/// For functions that only read, whose C type is without `const`.
fn input(bytes: &[u8]) -> (*mut CK_BYTE, CK_ULONG) {
    (bytes.as_ptr().cast_mut(), bytes.len() as CK_ULONG)
}
