//! Where answers go: a value, an array, an output of variable length. It writes through C pointers, unaligned if need
//! be, and holds the two-call convention (5.2), once.

use cryptoki_sys::{CK_BYTE, CK_ULONG};

use super::input::size;
use super::{Argument, Pair};
use crate::cryptoki::output_buffer::{Output, Room};
use crate::cryptoki::rv::{Result, Rv};

/// Where one value goes.
pub(super) struct Out<T>(*mut T);

impl<T> Argument for Out<T> {
    type Raw = *mut T;

    unsafe fn new(raw: *mut T) -> Out<T> {
        Out(raw)
    }
}

impl<T> Out<T> {
    /// The place, which must be there.
    pub(super) fn open(self) -> Result<OutPointer<T>> {
        if self.0.is_null() {
            return Err(Rv::ArgumentsBad.into());
        }
        Ok(OutPointer(self.0))
    }
}

/// A place for one value: an [`Out`] that is not NULL.
pub(super) struct OutPointer<T>(*mut T);

impl<T> OutPointer<T> {
    /// Gives the value.
    pub(super) fn give(self, value: T) -> Result<()> {
        // SAFETY: by the promise of `Out::new`, and `Out::open` saw that the pointer is not NULL.
        unsafe { self.0.write_unaligned(value) };
        Ok(())
    }
}

/// Where an output of variable length goes: a buffer, and a pointer to its size, which receives
/// the output's. Both are counted in `T`, so it serves bytes and lists alike.
pub(super) struct OutBuf<T = CK_BYTE> {
    data: *mut T,
    length: *mut CK_ULONG,
}

impl<T> Pair for OutBuf<T> {
    type Pointer = *mut T;
    type Length = *mut CK_ULONG;

    unsafe fn new(data: *mut T, length: *mut CK_ULONG) -> OutBuf<T> {
        OutBuf { data, length }
    }
}

impl<T: Copy> OutBuf<T> {
    /// The buffer; its length must be there.
    pub(super) fn open(self) -> Result<Buffer<T>> {
        self.open_if_asked().ok_or(Rv::ArgumentsBad.into())
    }

    /// The buffer, or `None` if the length is NULL: so `C_SignMessageNext` is told that
    /// more parts follow.
    pub(super) fn open_if_asked(self) -> Option<Buffer<T>> {
        if self.length.is_null() {
            return None;
        }
        let room = if self.data.is_null() {
            // Without a buffer the length says nothing on entry.
            Room::Query
        } else {
            // SAFETY: by the promise of `new`, and the pointer is not NULL.
            let length = unsafe { self.length.read_unaligned() };
            // A claim of more than can be is a claim of enough.
            Room::Bytes(size(length).unwrap_or(isize::MAX.unsigned_abs()))
        };
        Some(Buffer { to: self, room })
    }
}

/// A buffer whose size is known: an [`OutBuf`] whose length is not NULL.
pub(super) struct Buffer<T = CK_BYTE> {
    to: OutBuf<T>,
    room: Room,
}

impl Buffer {
    /// Gives the module's answer.
    pub(super) fn give(self, output: Output) -> Result<()> {
        match output {
            Output::Length(length) => self.finish(length, None),
            Output::Bytes(bytes) => self.give_all(&bytes),
        }
    }
}

impl<T: Copy> Buffer<T> {
    /// The room there is, for the module to decide with.
    pub(super) fn room(&self) -> Room {
        self.room
    }

    /// Gives a whole list.
    pub(super) fn give_all(self, values: &[T]) -> Result<()> {
        self.finish(values.len(), Some(values))
    }

    /// The two-call convention: the length is told in every case, the values are written if there
    /// is room for all of them, and a question that is not answered with values was none too small.
    fn finish(self, length: usize, values: Option<&[T]>) -> Result<()> {
        // SAFETY: by the promise of `OutBuf::new`, and `open` saw that the pointer is not NULL.
        unsafe { self.to.length.write_unaligned(length as CK_ULONG) };
        match (self.room, values) {
            (Room::Query, _) => Ok(()),
            (Room::Bytes(room), Some(values)) if room >= values.len() => {
                // SAFETY: by the promise of `OutBuf::new` there is `room`, and the values fit.
                unsafe { write_all(values, self.to.data) };
                Ok(())
            }
            (Room::Bytes(_), _) => Err(Rv::BufferTooSmall.into()),
        }
    }
}

/// Where as many values go as the caller says.
pub(super) struct OutArray<T = CK_BYTE> {
    data: *mut T,
    capacity: CK_ULONG,
}

impl<T> Pair for OutArray<T> {
    type Pointer = *mut T;
    type Length = CK_ULONG;

    unsafe fn new(data: *mut T, capacity: CK_ULONG) -> OutArray<T> {
        OutArray { data, capacity }
    }
}

impl<T: Copy> OutArray<T> {
    /// The array, which must be there unless nothing is asked for.
    pub(super) fn open(self) -> Result<Array<T>> {
        self.open_for(usize::MAX)
    }

    /// The array, if not more than `most` is asked for.
    pub(super) fn open_for(self, most: usize) -> Result<Array<T>> {
        let left = usize::try_from(self.capacity).unwrap_or(usize::MAX);
        if left > most || left > 0 && self.data.is_null() {
            return Err(Rv::ArgumentsBad.into());
        }
        Ok(Array {
            end: self.data,
            left,
        })
    }
}

/// An array that is being filled.
pub(super) struct Array<T = CK_BYTE> {
    end: *mut T,
    left: usize,
}

impl<T: Copy> Array<T> {
    /// How many more are asked for.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Adds values, and tells how many there was room for.
    pub(super) fn add(&mut self, values: &[T]) -> usize {
        let values = values.get(..self.left).unwrap_or(values);
        // SAFETY: by the promise of `OutArray::new` there is room for `left` more at `end`.
        unsafe { write_all(values, self.end) };
        self.end = self.end.wrapping_add(values.len());
        self.left -= values.len();
        values.len()
    }
}

/// Writes values one behind the other, wherever that is.
///
/// # Safety
/// There is room for all of them at `to`.
pub(super) unsafe fn write_all<T: Copy>(values: &[T], to: *mut T) {
    let (from, to) = (values.as_ptr().cast::<u8>(), to.cast::<u8>());
    // Copied as bytes, because `to` need not be aligned; C callers may let in and out overlap, but
    // `values` are ours.
    // SAFETY: the caller's promise; what is ours and what is his do not overlap.
    unsafe { from.copy_to_nonoverlapping(to, size_of_val(values)) };
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    fn rv<T>(result: Result<T>) -> Option<Rv> {
        result.err().map(|error| error.rv())
    }

    /// A buffer of 8 with a fence behind, of which `length` are said to be there. Tells what came
    /// back: the code, the length and the bytes.
    fn give(length: CK_ULONG, output: Output) -> (Option<Rv>, CK_ULONG, [u8; 8]) {
        let (mut data, mut told) = ([0xAA; 8], length);
        let buffer = OutBuf {
            data: data.as_mut_ptr(),
            length: &mut told,
        };
        let result = rv(buffer.open().unwrap().give(output));
        (result, told, data)
    }

    #[test]
    fn a_value_needs_a_place() {
        let mut value = 0u32;
        Out(&mut value).open().unwrap().give(7).unwrap();
        assert_eq!(value, 7);
        assert_eq!(
            rv(Out::<u32>(ptr::null_mut()).open()),
            Some(Rv::ArgumentsBad)
        );
    }

    #[test]
    fn a_place_may_be_at_an_odd_address() {
        let mut memory = [0u8; 9];
        let odd = memory[1..].as_mut_ptr().cast::<u64>();
        Out(odd).open().unwrap().give(u64::MAX).unwrap();
        assert_eq!(memory, [0, 255, 255, 255, 255, 255, 255, 255, 255]);
    }

    #[test]
    fn no_length_no_buffer() {
        let mut data = [0u8; 8];
        for data in [ptr::null_mut(), data.as_mut_ptr()] {
            let buffer = || OutBuf {
                data,
                length: ptr::null_mut(),
            };
            assert_eq!(rv(buffer().open()), Some(Rv::ArgumentsBad));
            assert!(buffer().open_if_asked().is_none());
        }
    }

    #[test]
    fn a_query_is_told_the_length() {
        for output in [Output::Length(5), Output::Bytes(vec![1; 5])] {
            for said in [0, 3, CK_ULONG::MAX] {
                let mut told = said;
                let buffer = OutBuf::<CK_BYTE> {
                    data: ptr::null_mut(),
                    length: &mut told,
                };
                let buffer = buffer.open().unwrap();
                assert_eq!(buffer.room(), Room::Query);
                buffer.give(output.clone()).unwrap();
                assert_eq!(told, 5);
            }
        }
    }

    #[test]
    fn too_small_exact_and_larger() {
        let untouched = [0xAA; 8];
        let filled = [1, 1, 1, 1, 1, 0xAA, 0xAA, 0xAA];
        let too_small = Some(Rv::BufferTooSmall);
        for said in [0, 4] {
            assert_eq!(give(said, Output::Length(5)), (too_small, 5, untouched));
            // The module promises not to do this; it would still not be written.
            let output = Output::Bytes(vec![1; 5]);
            assert_eq!(give(said, output), (too_small, 5, untouched));
        }
        for said in [5, 6, CK_ULONG::MAX] {
            assert_eq!(give(said, Output::Bytes(vec![1; 5])), (None, 5, filled));
        }
        assert_eq!(give(0, Output::Bytes(vec![])), (None, 0, untouched));
    }

    #[test]
    fn lists_are_counted_in_elements() {
        let list: [CK_ULONG; 3] = [1, 2, 3];
        for (said, expected) in [(2, Some(Rv::BufferTooSmall)), (3, None), (4, None)] {
            let (mut data, mut told) = ([0; 4], said);
            let buffer = OutBuf {
                data: data.as_mut_ptr(),
                length: &mut told,
            };
            assert_eq!(rv(buffer.open().unwrap().give_all(&list)), expected);
            let written = if expected.is_none() {
                [1, 2, 3, 0]
            } else {
                [0; 4]
            };
            assert_eq!((told, data), (3, written));
        }
    }

    #[test]
    fn arrays_are_filled_and_no_further() {
        let mut data = [0u8; 6];
        let array = OutArray {
            data: data.as_mut_ptr(),
            capacity: 5,
        };
        let mut array = array.open().unwrap();
        assert_eq!((array.add(&[1, 2]), array.left()), (2, 3));
        assert_eq!((array.add(&[]), array.left()), (0, 3));
        assert_eq!((array.add(&[3, 4, 5, 6]), array.left()), (3, 0));
        assert_eq!((array.add(&[7]), array.left()), (0, 0));
        assert_eq!(data, [1, 2, 3, 4, 5, 0]);
    }

    #[test]
    fn an_array_of_none_may_be_nowhere() {
        let array = |capacity| OutArray::<CK_BYTE> {
            data: ptr::null_mut(),
            capacity,
        };
        assert_eq!(array(0).open().unwrap().add(&[1]), 0);
        assert_eq!(rv(array(1).open()), Some(Rv::ArgumentsBad));
        assert_eq!(rv(array(CK_ULONG::MAX).open()), Some(Rv::ArgumentsBad));
    }

    #[test]
    fn an_array_may_be_too_large() {
        let mut data = [0u8; 2];
        let mut array = |capacity| {
            let data = data.as_mut_ptr();
            OutArray { data, capacity }.open_for(2)
        };
        assert_eq!(rv(array(2)), None);
        for capacity in [3, CK_ULONG::MAX] {
            assert_eq!(rv(array(capacity)), Some(Rv::ArgumentsBad));
        }
    }
}
