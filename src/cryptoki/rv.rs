//! The codes this module may answer, and the one mapping from what went wrong below to them.

use cryptoki_sys::*;

use crate::card;

/// Writes [`Rv`] and its conversion from one list, so that no code can be forgotten in either.
macro_rules! closed_set_of_codes {
    ($($(#[$doc:meta])* $name:ident = $code:ident;)*) => {
        /// The return codes (`CKR_…`) that this module itself decides to answer: PKCS#11's own
        /// complaints. The set is closed; its members are named like the constants of the standard
        /// (PKCS#11 3.2, section 5.1).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Rv {
            $($(#[$doc])* $name,)*
        }

        impl Rv {
            /// The number that the caller sees.
            pub const fn code(self) -> CK_RV {
                match self {
                    $(Rv::$name => $code,)*
                }
            }

            /// The constant's name in the standard, for the log.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Rv::$name => stringify!($code),)*
                }
            }

            /// All codes of the set, for tests and tables.
            pub const ALL: &'static [Rv] = &[$(Rv::$name),*];
        }
    };
}

closed_set_of_codes! {
    /// No memory (the locked page for a PIN could not be had).
    HostMemory = CKR_HOST_MEMORY;
    /// No such slot.
    SlotIdInvalid = CKR_SLOT_ID_INVALID;
    /// Something that should not happen did: a panic was caught.
    GeneralError = CKR_GENERAL_ERROR;
    /// The request was understood and could not be carried out.
    FunctionFailed = CKR_FUNCTION_FAILED;
    /// The holder has cancelled the PIN dialog, or not answered.
    FunctionCanceled = CKR_FUNCTION_CANCELED;
    /// The holder has not consented to the signature.
    FunctionRejected = CKR_FUNCTION_REJECTED;
    /// A NULL where there must be none, or arguments that contradict each other.
    ArgumentsBad = CKR_ARGUMENTS_BAD;
    /// `C_WaitForSlotEvent` without blocking, and nothing happened.
    NoEvent = CKR_NO_EVENT;
    /// The application wants us to lock with its own functions only.
    CantLock = CKR_CANT_LOCK;
    /// An attribute that cannot be written.
    AttributeReadOnly = CKR_ATTRIBUTE_READ_ONLY;
    /// An attribute that is never told (private exponent and its like).
    AttributeSensitive = CKR_ATTRIBUTE_SENSITIVE;
    /// The object has no such attribute.
    AttributeTypeInvalid = CKR_ATTRIBUTE_TYPE_INVALID;
    /// An attribute's value has no sense.
    AttributeValueInvalid = CKR_ATTRIBUTE_VALUE_INVALID;
    /// The object's own attributes forbid it (CKA_COPYABLE, CKA_DESTROYABLE, CKA_MODIFIABLE).
    ActionProhibited = CKR_ACTION_PROHIBITED;
    /// The data cannot be signed as they are.
    DataInvalid = CKR_DATA_INVALID;
    /// The data are too long or too short for the mechanism.
    DataLenRange = CKR_DATA_LEN_RANGE;
    /// Card, reader or pcscd failed.
    DeviceError = CKR_DEVICE_ERROR;
    /// The card was taken out during the call.
    DeviceRemoved = CKR_DEVICE_REMOVED;
    /// Parallel functions of PKCS#11 1.0.
    FunctionNotParallel = CKR_FUNCTION_NOT_PARALLEL;
    /// The token cannot do this.
    FunctionNotSupported = CKR_FUNCTION_NOT_SUPPORTED;
    /// Not a key, or not one of this token.
    KeyHandleInvalid = CKR_KEY_HANDLE_INVALID;
    /// The key's size does not fit the mechanism.
    KeySizeRange = CKR_KEY_SIZE_RANGE;
    /// `C_DigestKey` of a key whose value is not told.
    KeyIndigestible = CKR_KEY_INDIGESTIBLE;
    /// The key's attributes forbid this use.
    KeyFunctionNotPermitted = CKR_KEY_FUNCTION_NOT_PERMITTED;
    /// The token does not offer this mechanism.
    MechanismInvalid = CKR_MECHANISM_INVALID;
    /// The mechanism's parameter cannot be served.
    MechanismParamInvalid = CKR_MECHANISM_PARAM_INVALID;
    /// No such object.
    ObjectHandleInvalid = CKR_OBJECT_HANDLE_INVALID;
    /// An operation of this kind is under way in the session.
    OperationActive = CKR_OPERATION_ACTIVE;
    /// No operation of this kind is under way in the session.
    OperationNotInitialized = CKR_OPERATION_NOT_INITIALIZED;
    /// The PIN is wrong, or was refused before it reached the card.
    PinIncorrect = CKR_PIN_INCORRECT;
    /// A new PIN has characters that the card does not take.
    PinInvalid = CKR_PIN_INVALID;
    /// A new PIN is too long or too short.
    PinLenRange = CKR_PIN_LEN_RANGE;
    /// The PIN is locked on the card.
    PinLocked = CKR_PIN_LOCKED;
    /// No such session, or its card is gone.
    SessionHandleInvalid = CKR_SESSION_HANDLE_INVALID;
    /// `C_OpenSession` without `CKF_SERIAL_SESSION`.
    SessionParallelNotSupported = CKR_SESSION_PARALLEL_NOT_SUPPORTED;
    /// The session is read-only.
    SessionReadOnly = CKR_SESSION_READ_ONLY;
    /// Sessions are open.
    SessionExists = CKR_SESSION_EXISTS;
    /// Asynchronous sessions of PKCS#11 3.2.
    SessionAsyncNotSupported = CKR_SESSION_ASYNC_NOT_SUPPORTED;
    /// The signature does not verify.
    SignatureInvalid = CKR_SIGNATURE_INVALID;
    /// The signature has the wrong length.
    SignatureLenRange = CKR_SIGNATURE_LEN_RANGE;
    /// The template lacks an attribute.
    TemplateIncomplete = CKR_TEMPLATE_INCOMPLETE;
    /// The template contradicts itself.
    TemplateInconsistent = CKR_TEMPLATE_INCONSISTENT;
    /// No card in the reader.
    TokenNotPresent = CKR_TOKEN_NOT_PRESENT;
    /// A card is in the reader, and it is not a My Number card.
    TokenNotRecognized = CKR_TOKEN_NOT_RECOGNIZED;
    /// The token's own objects cannot be written.
    TokenWriteProtected = CKR_TOKEN_WRITE_PROTECTED;
    /// Login while logged in.
    UserAlreadyLoggedIn = CKR_USER_ALREADY_LOGGED_IN;
    /// A login is needed.
    UserNotLoggedIn = CKR_USER_NOT_LOGGED_IN;
    /// A login as security officer while there is a read-only session.
    SessionReadOnlyExists = CKR_SESSION_READ_ONLY_EXISTS;
    /// A login as security officer while the user is logged in.
    UserAnotherAlreadyLoggedIn = CKR_USER_ANOTHER_ALREADY_LOGGED_IN;
    /// No such user: a citizen has no security officer.
    UserTypeInvalid = CKR_USER_TYPE_INVALID;
    /// The card makes no random numbers.
    RandomNoRng = CKR_RANDOM_NO_RNG;
    /// The card keeps its own random source.
    RandomSeedNotSupported = CKR_RANDOM_SEED_NOT_SUPPORTED;
    /// The output buffer is too small; its needed length was told.
    BufferTooSmall = CKR_BUFFER_TOO_SMALL;
    /// An operation's state cannot be saved.
    StateUnsaveable = CKR_STATE_UNSAVEABLE;
    /// A saved state that we cannot have made.
    SavedStateInvalid = CKR_SAVED_STATE_INVALID;
    /// `C_Initialize` comes first.
    CryptokiNotInitialized = CKR_CRYPTOKI_NOT_INITIALIZED;
    /// `C_Initialize` was called already.
    CryptokiAlreadyInitialized = CKR_CRYPTOKI_ALREADY_INITIALIZED;
}

/// What a call of the module can end with, cause included.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// PKCS#11's own complaint.
    #[error("{}", .0.name())]
    Rv(Rv),
    /// The card said no, or spoke nonsense.
    #[error("card: {0}")]
    Card(#[from] card::Error),
}

/// The result of everything from `cryptoki` up.
pub type Result<T> = std::result::Result<T, Error>;

impl From<Rv> for Error {
    fn from(rv: Rv) -> Error {
        Error::Rv(rv)
    }
}

impl Error {
    /// The code for the caller. This is the only place where a cause becomes a code.
    pub fn rv(&self) -> Rv {
        use card::Error as C;
        use card::PcscError as T;
        match self {
            Error::Rv(rv) => *rv,
            Error::Card(C::Pcsc(cause)) => match cause {
                T::NoCard => Rv::TokenNotPresent,
                T::Removed | T::NoReader => Rv::DeviceRemoved,
                T::NoService(_)
                | T::NoDescriptor
                | T::NotAuthorised
                | T::Failed(_)
                | T::Busy
                | T::Stuck => Rv::DeviceError,
                T::Cancelled => Rv::CryptokiNotInitialized,
            },
            Error::Card(cause) => match cause {
                C::ChangeUnclear(cause) => Error::Card((**cause).clone()).rv(),
                C::NotJpki => Rv::TokenNotRecognized,
                C::PinIncorrect { .. } | C::RefusedBefore => Rv::PinIncorrect,
                // By the standard a PIN is locked also when the token will take no further attempt for
                // now, which is what keeping the last try means (docs/login.md). The code ends the loops of NSS, GnuTLS and pkcs11-helper, which go on after CKR_PIN_INCORRECT.
                C::PinLocked | C::LastTryKept => Rv::PinLocked,
                C::NotVerified
                | C::KeptPinRefused { .. }
                | C::PinMayHaveChanged { .. }
                | C::Unproven => Rv::UserNotLoggedIn,
                C::AnotherCard => Rv::DeviceRemoved,
                C::FileAbsent => Rv::ObjectHandleInvalid,
                C::SchemeRefused => Rv::MechanismInvalid,
                C::NoChallenge => Rv::RandomNoRng,
                C::PadCancelled => Rv::FunctionCanceled,
                C::InputRefused => Rv::DataInvalid,
                C::NewPinRefused => Rv::PinInvalid,
                C::Unexplained { .. } | C::Malformed(_) | C::SignatureWrong => Rv::DeviceError,
                // The arm above takes it; the compiler cannot see that.
                C::Pcsc(_) => Rv::DeviceError,
            },
        }
    }
}
