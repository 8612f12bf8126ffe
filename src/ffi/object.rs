//! Object management functions (PKCS#11 3.2, 5.7).

use cryptoki_sys::{CK_OBJECT_HANDLE, CK_SESSION_HANDLE, CK_ULONG};

use super::attributes::OutAttributes;
use super::input::InTemplate;
use super::output::{Out, OutArray};
use super::process;

cryptoki! {
    /// Creates a session object: data, X.509 certificate, RSA public key. With `CKA_TOKEN` TRUE:
    /// `CKR_TOKEN_WRITE_PROTECTED`.
    fn C_CreateObject(
        session: CK_SESSION_HANDLE, (template, count): InTemplate, object: Out<CK_OBJECT_HANDLE>,
    ) {
        let module = process::module_of(session)?;
        let object = object.open()?;
        object.give(module.create_object(session, template.get()?)?)
    }

    /// Copies a session object, or a certificate or public key of the card with `CKA_TOKEN` FALSE. Onto the token:
    /// `CKR_TOKEN_WRITE_PROTECTED`.
    fn C_CopyObject(
        session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE, (template, count): InTemplate,
        copy: Out<CK_OBJECT_HANDLE>,
    ) {
        let module = process::module_of(session)?;
        let copy = copy.open()?;
        copy.give(module.copy_object(session, object, template.get()?)?)
    }

    /// Destroys a session object. An object of the card: `CKR_ACTION_PROHIBITED`.
    fn C_DestroyObject(session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE) {
        process::module()?.destroy_object(session, object)
    }

    /// Returns the bytes of a certificate or of a session object; `CK_UNAVAILABLE_INFORMATION` for a key of the card.
    fn C_GetObjectSize(
        session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE, size: Out<CK_ULONG>,
    ) {
        let module = process::module_of(session)?;
        size.open()?.give(module.object_size(session, object)?)
    }

    /// Returns attributes. Reads a certificate from the card at its first attribute, once for each insertion.
    fn C_GetAttributeValue(
        session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE, (template, count): OutAttributes,
    ) {
        let module = process::module_of(session)?;
        let questions = template.open()?;
        let answers = module.attributes(session, object, &questions.kinds())?;
        questions.give(answers)
    }

    /// Changes a session object. An object of the card: `CKR_ACTION_PROHIBITED`.
    fn C_SetAttributeValue(
        session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE, (template, count): InTemplate,
    ) {
        process::module_of(session)?.set_attributes(session, object, template.get()?)
    }

    /// Searches the objects that the session sees. The card is read only for attributes that are in a certificate.
    fn C_FindObjectsInit(session: CK_SESSION_HANDLE, (template, count): InTemplate) {
        process::module_of(session)?.find_init(session, template.get()?)
    }

    /// Returns handles that the search found.
    fn C_FindObjects(
        session: CK_SESSION_HANDLE, (objects, most): OutArray<CK_OBJECT_HANDLE>,
        count: Out<CK_ULONG>,
    ) {
        let module = process::module_of(session)?;
        let (mut objects, count) = (objects.open()?, count.open()?);
        let found = module.find(session, objects.left())?;
        count.give(objects.add(&found) as CK_ULONG)
    }

    /// Ends the search.
    fn C_FindObjectsFinal(session: CK_SESSION_HANDLE) {
        process::module()?.find_final(session)
    }
}
