//! Object management functions (PKCS#11 3.2, 5.7). It may call the module floor. It never keeps a
//! caller's template: what goes down is a copy.

use cryptoki_sys::{CK_OBJECT_HANDLE, CK_SESSION_HANDLE, CK_ULONG};

use super::attributes::OutAttributes;
use super::input::InTemplate;
use super::output::{Out, OutArray};
use super::process;

cryptoki! {
    /// Makes an object.
    fn C_CreateObject(
        session: CK_SESSION_HANDLE, (template, count): InTemplate, object: Out<CK_OBJECT_HANDLE>,
    ) {
        let module = process::module_of(session)?;
        let object = object.open()?;
        object.give(module.create_object(session, template.get()?)?)
    }

    /// Makes an object like another one.
    fn C_CopyObject(
        session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE, (template, count): InTemplate,
        copy: Out<CK_OBJECT_HANDLE>,
    ) {
        let module = process::module_of(session)?;
        let copy = copy.open()?;
        copy.give(module.copy_object(session, object, template.get()?)?)
    }

    /// Removes an object.
    fn C_DestroyObject(session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE) {
        process::module()?.destroy_object(session, object)
    }

    /// Tells how much room an object takes.
    fn C_GetObjectSize(
        session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE, size: Out<CK_ULONG>,
    ) {
        let module = process::module_of(session)?;
        size.open()?.give(module.object_size(session, object)?)
    }

    /// Tells what is known of an object.
    fn C_GetAttributeValue(
        session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE, (template, count): OutAttributes,
    ) {
        let module = process::module_of(session)?;
        let questions = template.open()?;
        let answers = module.attributes(session, object, &questions.kinds())?;
        questions.give(answers)
    }

    /// Changes an object.
    fn C_SetAttributeValue(
        session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE, (template, count): InTemplate,
    ) {
        process::module_of(session)?.set_attributes(session, object, template.get()?)
    }

    /// Begins a search.
    fn C_FindObjectsInit(session: CK_SESSION_HANDLE, (template, count): InTemplate) {
        process::module_of(session)?.find_init(session, template.get()?)
    }

    /// Tells what else was found.
    fn C_FindObjects(
        session: CK_SESSION_HANDLE, (objects, most): OutArray<CK_OBJECT_HANDLE>,
        count: Out<CK_ULONG>,
    ) {
        let module = process::module_of(session)?;
        let (mut objects, count) = (objects.open()?, count.open()?);
        let found = module.find(session, objects.left())?;
        count.give(objects.add(&found) as CK_ULONG)
    }

    /// Ends a search.
    fn C_FindObjectsFinal(session: CK_SESSION_HANDLE) {
        process::module()?.find_final(session)
    }
}
