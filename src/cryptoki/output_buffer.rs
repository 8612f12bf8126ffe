//! The two-call convention of PKCS#11 (3.2, section 5.2) without pointers. It is used by `cryptoki` to decide
//! and by `ffi` to carry out.

/// The room that the caller offers for an output of variable length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// No buffer: the caller asks for the length.
    Query,
    /// A buffer of so many bytes.
    Bytes(usize),
}

impl Room {
    /// Does an output of `length` bytes fit? A question never does.
    pub(crate) fn holds(self, length: usize) -> bool {
        matches!(self, Room::Bytes(room) if room >= length)
    }
}

/// What the module answers to an output of variable length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// The length that is needed; nothing was done and the operation goes on. The caller's code is
    /// `CKR_OK` for [`Room::Query`] and `CKR_BUFFER_TOO_SMALL` otherwise.
    Length(usize),
    /// The output itself; it fits. The operation is over.
    Bytes(Vec<u8>),
}
