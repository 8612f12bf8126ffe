/* SPDX-License-Identifier: Apache-2.0 OR MIT */
#ifndef JPKI_PKCS11_H
#define JPKI_PKCS11_H

/*
 * jpki-pkcs11: a PKCS#11 module for the Japanese My Number card (JPKI).
 *
 * Include the standard's header first (p11-kit's <p11-kit/pkcs11.h>, or any other); this one adds
 * what is ours alone.
 *
 * Entry points. A program that loads the module finds these three symbols in it and no others; all
 * functions of PKCS#11 2.40, 3.0 and 3.2 are in the lists they hand out. Their types:
 *
 *   C_GetFunctionList(CK_FUNCTION_LIST **list)                            the list of 2.40
 *   C_GetInterfaceList(CK_INTERFACE *list, CK_ULONG *count)               3.0, 3.2 and 2.40
 *   C_GetInterface(name, CK_VERSION *version, CK_INTERFACE **, flags)     one of them; NULL: 3.0
 *
 * They are not declared here, because the standard's header does that as far as it knows them.
 *
 * One object of each token tells about the card. It is found by those who ask for the class
 * CKO_HW_FEATURE, without a login:
 *
 *   CK_OBJECT_CLASS class = CKO_HW_FEATURE;
 *   CK_HW_FEATURE_TYPE type = CKH_JPKI_CARD;
 *   CK_ATTRIBUTE template[] = {
 *       { CKA_CLASS, &class, sizeof class }, { CKA_HW_FEATURE_TYPE, &type, sizeof type },
 *   };
 *
 *   CKA_JPKI_PIN_TRIES_LEFT       CK_ULONG  tries left of the token's PIN; not known:
 *                                           CK_UNAVAILABLE_INFORMATION
 *   CKA_JPKI_PIN_TRIES_MAX        CK_ULONG  tries of a PIN that was right the last time
 *   CKA_JPKI_CERTIFICATE_END_DATE CK_DATE   last day of the holder's certificate, UTC; empty while
 *                                           the certificate cannot be read
 *   CKA_JPKI_CARD_KIND            CK_ULONG  JPKI_CARD_PLASTIC and so on
 *
 * To ask for them costs the card nothing and never a try.
 */

/* The vendor bit of the standard, and the block of numbers that is ours ("JP"). */
#define JPKI_VENDOR_BLOCK 0xCA500000UL

#define CKH_JPKI_CARD                 (JPKI_VENDOR_BLOCK | 1UL)

#define CKA_JPKI_PIN_TRIES_LEFT       (JPKI_VENDOR_BLOCK | 1UL)
#define CKA_JPKI_PIN_TRIES_MAX        (JPKI_VENDOR_BLOCK | 2UL)
#define CKA_JPKI_CERTIFICATE_END_DATE (JPKI_VENDOR_BLOCK | 3UL)
#define CKA_JPKI_CARD_KIND            (JPKI_VENDOR_BLOCK | 4UL)

/* Values of CKA_JPKI_CARD_KIND. */
#define JPKI_CARD_PLASTIC 1UL /* the plastic My Number card */
#define JPKI_CARD_ANDROID 2UL /* an Android phone */
#define JPKI_CARD_IPHONE  3UL /* an iPhone */
#define JPKI_CARD_JUKI    4UL /* the old Juki card */

#endif
