//! Objects (PKCS#11 3.2, 5.7): search, attributes, and the objects of sessions.
//! A certificate is read when somebody wants a byte of it, once for each insertion.

use std::collections::VecDeque;

use cryptoki_sys::*;
use log::debug;

use crate::cryptoki::module::{KeptObject, Module, Object, TokenHandle};
use crate::cryptoki::objects::session::{SessionObject, copy_of};
use crate::cryptoki::objects::token::{TokenContext, TokenObject, objects_of};
use crate::cryptoki::objects::{Attribute, AttributeAnswer, Template};
use crate::cryptoki::rv::{Error, Result, Rv};
use crate::cryptoki::session::{Session, begin, take, under_way};

/// Attributes that a copy of a token's certificate or public key takes along.
const COPIED: &[CK_ATTRIBUTE_TYPE] = &[
    CKA_CLASS,
    CKA_TOKEN,
    CKA_PRIVATE,
    CKA_LABEL,
    CKA_COPYABLE,
    CKA_CERTIFICATE_TYPE,
    CKA_CERTIFICATE_CATEGORY,
    CKA_CHECK_VALUE,
    CKA_START_DATE,
    CKA_END_DATE,
    CKA_SUBJECT,
    CKA_ID,
    CKA_ISSUER,
    CKA_SERIAL_NUMBER,
    CKA_VALUE,
    CKA_KEY_TYPE,
    CKA_VERIFY,
    CKA_VERIFY_RECOVER,
    CKA_MODULUS,
    CKA_PUBLIC_EXPONENT,
    CKA_PUBLIC_KEY_INFO,
    CKA_ALLOWED_MECHANISMS,
];

impl Module {
    /// `C_FindObjectsInit`: does the search.
    ///
    /// # Errors
    /// `CKR_OPERATION_ACTIVE`, `CKR_SESSION_HANDLE_INVALID`, and what the card says if it had to be read.
    pub(crate) fn find_init(&self, handle: CK_SESSION_HANDLE, template: Template) -> Result<()> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        begin(&mut operations.find, || self.search(&session, &template))
    }

    fn search(&self, session: &Session, template: &Template) -> Result<VecDeque<CK_OBJECT_HANDLE>> {
        let context = session.slot.context(&session.inserted);
        let mut found = VecDeque::new();
        for object in self.visible(session, &context) {
            // PKCS#11 3.2, C_FindObjectsInit: hardware features only for those who ask for the class.
            let wanted =
                object != TokenObject::CardInformation || template.has_class(CKO_HW_FEATURE);
            if wanted && self.matches(session, object, &context, template)? {
                found.push_back(self.handle_of(session, object, &context));
            }
        }
        let objects = self.session_objects.lock();
        let own = objects.iter().filter(|(_, kept)| {
            let wanted = &template.0;
            sees(session, kept)
                && wanted
                    .iter()
                    .all(|it| kept.object.attribute(it.kind).matches(&it.value))
        });
        found.extend(own.map(|(handle, _)| *handle));
        Ok(found)
    }

    /// The token's objects that this session may see, as far as can be told without the card.
    fn visible(&self, session: &Session, context: &TokenContext) -> Vec<TokenObject> {
        let logged_in = session.is_logged_in();
        let token = &session.inserted;
        let mut objects = objects_of(
            session.slot.role,
            token.public_certificate,
            self.config.ca_certificates_shown(),
        );
        let is_absent = |file| matches!(token.certificate(file), Some(None));
        objects.retain(|object| {
            let absent = match object {
                // Without its certificate the token has no key to authenticate with.
                TokenObject::Profile(CKP_AUTHENTICATION_TOKEN) => {
                    is_absent(session.slot.role.certificate())
                }
                other => other.file().is_some_and(is_absent),
            };
            !absent && (logged_in || !object.is_private(context))
        });
        objects
    }

    /// First all that costs nothing, then what only the certificate can tell.
    fn matches(
        &self,
        session: &Session,
        object: TokenObject,
        context: &TokenContext,
        template: &Template,
    ) -> Result<bool> {
        let mut unanswered = Vec::new();
        for wanted in &template.0 {
            match object.attribute(wanted.kind, context) {
                Some(answer) if answer.matches(&wanted.value) => {}
                Some(_) => return Ok(false),
                None => unanswered.push(wanted),
            }
        }
        let Some(file) = object.file().filter(|_| !unanswered.is_empty()) else {
            return Ok(true);
        };
        let certificate = match session.slot.certificate(&session.inserted, file) {
            Ok(certificate) => certificate,
            // A certificate that cannot be read matches nothing; that must not end a search for others.
            Err(Error::Card(error)) if !matches!(error, crate::card::Error::Pcsc(_)) => {
                debug!("search: {error}");
                None
            }
            Err(error) => return Err(error),
        };
        Ok(certificate.is_some_and(|certificate| {
            unanswered.iter().all(|wanted| {
                object
                    .attribute_of_certificate(wanted.kind, &certificate)
                    .matches(&wanted.value)
            })
        }))
    }

    /// The handle of a token object: the same one each time, until the card is taken out or the login ends.
    fn handle_of(
        &self,
        session: &Session,
        object: TokenObject,
        context: &TokenContext,
    ) -> CK_OBJECT_HANDLE {
        let slot = &session.slot;
        let wanted = TokenHandle {
            slot: slot.id,
            insertion: session.inserted.number(),
            login: slot.login_of(object.is_private(context)),
            object,
        };
        let mut handles = self.token_objects.lock();
        if let Some((handle, _)) = handles.iter().find(|&(_, known)| *known == wanted) {
            return *handle;
        }
        // Those of earlier logins will never be good again.
        handles.retain(|_, known| known.slot != slot.id || slot.is_of_now(known.login));
        let handle = self.fresh_handle();
        handles.insert(handle, wanted);
        handle
    }

    /// `C_FindObjects`: at most so many of what was found.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED`, `CKR_SESSION_HANDLE_INVALID`.
    pub(crate) fn find(
        &self,
        handle: CK_SESSION_HANDLE,
        most: usize,
    ) -> Result<Vec<CK_OBJECT_HANDLE>> {
        let session = self.session(handle)?;
        let mut operations = session.operations.lock();
        let found = under_way(&mut operations.find)?;
        Ok(found.drain(..most.min(found.len())).collect())
    }

    /// `C_FindObjectsFinal`.
    ///
    /// # Errors
    /// `CKR_OPERATION_NOT_INITIALIZED`, `CKR_SESSION_HANDLE_INVALID`.
    pub(crate) fn find_final(&self, handle: CK_SESSION_HANDLE) -> Result<()> {
        let session = self.session(handle)?;
        take(&mut session.operations.lock().find).map(|_| ())
    }

    /// The object of a handle, if this session may see it.
    ///
    /// # Errors
    /// `CKR_OBJECT_HANDLE_INVALID`.
    pub(in crate::cryptoki) fn object(
        &self,
        session: &Session,
        handle: CK_OBJECT_HANDLE,
    ) -> Result<Object> {
        let known = self.token_objects.lock().get(&handle).copied();
        if let Some(known) = known {
            let context = session.slot.context(&session.inserted);
            let here = known.slot == session.slot.id
                && known.insertion == session.inserted.number()
                && session.slot.is_of_now(known.login);
            if here && self.visible(session, &context).contains(&known.object) {
                return Ok(Object::Token(known.object));
            }
            return Err(Rv::ObjectHandleInvalid.into());
        }
        let objects = self.session_objects.lock();
        match objects.get(&handle) {
            Some(kept) if sees(session, kept) => Ok(Object::Session(kept.object.clone())),
            _ => Err(Rv::ObjectHandleInvalid.into()),
        }
    }

    /// `C_GetAttributeValue`: one answer for each attribute, in order.
    ///
    /// # Errors
    /// `CKR_OBJECT_HANDLE_INVALID`, `CKR_SESSION_HANDLE_INVALID`, and what the card says if it had to be read.
    pub(crate) fn attributes(
        &self,
        handle: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        kinds: &[CK_ATTRIBUTE_TYPE],
    ) -> Result<Vec<AttributeAnswer>> {
        let session = self.session(handle)?;
        match self.object(&session, object)? {
            Object::Session(object) => {
                Ok(kinds.iter().map(|&kind| object.attribute(kind)).collect())
            }
            Object::Token(object) => {
                let context = session.slot.context(&session.inserted);
                kinds
                    .iter()
                    .map(|&kind| attribute(&session, object, kind, &context))
                    .collect()
            }
        }
    }

    /// `C_SetAttributeValue`.
    ///
    /// # Errors
    /// `CKR_OBJECT_HANDLE_INVALID`; `CKR_ACTION_PROHIBITED` for what is on the card; as [`SessionObject::set`].
    pub(crate) fn set_attributes(
        &self,
        handle: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        changes: Template,
    ) -> Result<()> {
        let session = self.session(handle)?;
        match self.object(&session, object)? {
            Object::Token(_) => Err(Rv::ActionProhibited.into()),
            Object::Session(_) => match self.session_objects.lock().get_mut(&object) {
                Some(kept) => kept.object.set(changes),
                None => Err(Rv::ObjectHandleInvalid.into()),
            },
        }
    }

    /// `C_CreateObject`: a session object.
    ///
    /// # Errors
    /// As [`SessionObject::create`]; `CKR_USER_NOT_LOGGED_IN` for a private one without a login.
    pub(crate) fn create_object(
        &self,
        handle: CK_SESSION_HANDLE,
        template: Template,
    ) -> Result<CK_OBJECT_HANDLE> {
        let session = self.session(handle)?;
        self.keep(&session, |new| {
            SessionObject::create(handle, template, &session_unique_id(new))
        })
    }

    /// `C_CopyObject`: of a session object, or of a certificate or public key on the card.
    ///
    /// # Errors
    /// As [`SessionObject::copy`]; `CKR_OBJECT_HANDLE_INVALID`.
    pub(crate) fn copy_object(
        &self,
        handle: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        changes: Template,
    ) -> Result<CK_OBJECT_HANDLE> {
        let session = self.session(handle)?;
        match self.object(&session, object)? {
            Object::Session(original) => self.keep(&session, |new| {
                original.copy(handle, changes, &session_unique_id(new))
            }),
            Object::Token(original @ (TokenObject::Certificate(_) | TokenObject::PublicKey(_))) => {
                let context = session.slot.context(&session.inserted);
                let mut attributes = Vec::new();
                for &kind in COPIED {
                    if let AttributeAnswer::Value(value) =
                        attribute(&session, original, kind, &context)?
                    {
                        attributes.push(Attribute { kind, value });
                    }
                }
                self.keep(&session, |new| {
                    copy_of(attributes, handle, changes, &session_unique_id(new))
                })
            }
            Object::Token(_) => Err(Rv::ActionProhibited.into()),
        }
    }

    fn keep(
        &self,
        session: &Session,
        make: impl FnOnce(CK_OBJECT_HANDLE) -> Result<SessionObject>,
    ) -> Result<CK_OBJECT_HANDLE> {
        let handle = self.fresh_handle();
        let object = make(handle)?;
        if object.is_private() && !session.is_logged_in() {
            return Err(Rv::UserNotLoggedIn.into());
        }
        let kept = KeptObject {
            slot: session.slot.id,
            login: session.slot.login_of(object.is_private()),
            object,
        };
        self.session_objects.lock().insert(handle, kept);
        Ok(handle)
    }

    /// `C_DestroyObject`.
    ///
    /// # Errors
    /// `CKR_OBJECT_HANDLE_INVALID`; `CKR_ACTION_PROHIBITED` for what is on the card.
    pub(crate) fn destroy_object(
        &self,
        handle: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
    ) -> Result<()> {
        let session = self.session(handle)?;
        match self.object(&session, object)? {
            Object::Session(it) if it.is_destroyable() => {
                self.session_objects.lock().remove(&object);
                Ok(())
            }
            Object::Session(_) | Object::Token(_) => Err(Rv::ActionProhibited.into()),
        }
    }

    /// `C_GetObjectSize`, in bytes: of an object on the card what it takes there, as far as it can be told.
    ///
    /// # Errors
    /// `CKR_OBJECT_HANDLE_INVALID`, and what the card says if it had to be read.
    pub(crate) fn object_size(
        &self,
        handle: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
    ) -> Result<CK_ULONG> {
        let session = self.session(handle)?;
        match self.object(&session, object)? {
            Object::Session(object) => Ok(object.size() as CK_ULONG),
            Object::Token(TokenObject::Certificate(file)) => {
                let certificate = session.slot.certificate(&session.inserted, file)?;
                Ok(certificate.map_or(CK_UNAVAILABLE_INFORMATION, |it| it.der().len() as CK_ULONG))
            }
            Object::Token(_) => Ok(CK_UNAVAILABLE_INFORMATION),
        }
    }
}

/// May a session see this object of a session?
fn sees(session: &Session, kept: &KeptObject) -> bool {
    let slot = &session.slot;
    kept.slot == slot.id
        && slot.is_of_now(kept.login)
        && (session.is_logged_in() || !kept.object.is_private())
}

/// One attribute of a token object, the certificate read if need be.
fn attribute(
    session: &Session,
    object: TokenObject,
    kind: CK_ATTRIBUTE_TYPE,
    context: &TokenContext,
) -> Result<AttributeAnswer> {
    if let Some(answer) = object.attribute(kind, context) {
        return Ok(answer);
    }
    let Some(file) = object.file() else {
        return Ok(AttributeAnswer::Invalid);
    };
    let certificate = session.slot.certificate(&session.inserted, file)?;
    // Found before, and now the card has none or hides it: then the object is not there.
    let certificate = certificate.ok_or(Rv::ObjectHandleInvalid)?;
    Ok(object.attribute_of_certificate(kind, &certificate))
}

fn session_unique_id(handle: CK_OBJECT_HANDLE) -> String {
    format!("session-{handle}")
}
