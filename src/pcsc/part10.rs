//! What a reader says of itself by PC/SC part 10: lists of tag, length and value.

/// Request for the list of features (part 10, 2.2): `SCARD_CTL_CODE(3400)`.
pub(super) const GET_FEATURE_REQUEST: u16 = 3400;

/// The feature that tells the properties of the reader (part 10, 2.6.14).
const FEATURE_GET_TLV_PROPERTIES: u8 = 0x12;

/// The property: most bytes of data in an APDU, four bytes, the least significant one first (supplement of part 10, 2.1).
const MAX_APDU_DATA_SIZE: u8 = 10;

/// The feature that has a PIN typed on the reader and verified by the card (part 10, 2.6.1).
const FEATURE_VERIFY_PIN_DIRECT: u8 = 0x06;

/// The feature that has a new PIN typed on the reader (part 10, 2.6.3).
const FEATURE_MODIFY_PIN_DIRECT: u8 = 0x07;

/// The control code of the request for properties, out of the list of features.
pub(super) fn properties_request(features: &[u8]) -> Option<u32> {
    code(features, FEATURE_GET_TLV_PROPERTIES)
}

/// The control code that has a PIN typed on the reader, out of the list of features.
pub(super) fn verify_pin_request(features: &[u8]) -> Option<u32> {
    code(features, FEATURE_VERIFY_PIN_DIRECT)
}

/// The control code that has a new PIN typed on the reader, out of the list of features.
pub(super) fn modify_pin_request(features: &[u8]) -> Option<u32> {
    code(features, FEATURE_MODIFY_PIN_DIRECT)
}

fn code(features: &[u8], feature: u8) -> Option<u32> {
    let code = value(features, feature)?;
    Some(u32::from_be_bytes(code.try_into().ok()?))
}

/// Most bytes of data in one APDU, out of the list of properties. 0: short APDUs alone.
pub(super) fn max_apdu_data(properties: &[u8]) -> Option<usize> {
    let size = value(properties, MAX_APDU_DATA_SIZE)?;
    usize::try_from(u32::from_le_bytes(size.try_into().ok()?)).ok()
}

fn value(mut list: &[u8], wanted: u8) -> Option<&[u8]> {
    while let [tag, length, rest @ ..] = list {
        let (value, rest) = rest.split_at_checked(usize::from(*length))?;
        if *tag == wanted {
            return Some(value);
        }
        list = rest;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_readers_are_read() {
        // A pad that verifies, then the properties.
        let features = [0x06, 4, 0x42, 0, 0x0D, 0x06, 0x12, 4, 0x42, 0, 0x0D, 0x12];
        assert_eq!(properties_request(&features), Some(0x4200_0D12));
        assert_eq!(verify_pin_request(&features), Some(0x4200_0D06));
        assert_eq!(modify_pin_request(&features), None);
        let changes = [0x07, 4, 0x42, 0, 0x0D, 0x07];
        assert_eq!(modify_pin_request(&changes), Some(0x4200_0D07));
        assert_eq!(properties_request(&features[..6]), None);
        for (properties, size) in [
            (&[10, 4, 0, 0, 1, 0][..], Some(65536)),
            (&[1, 2, 9, 9, 10, 4, 0, 0, 0, 0], Some(0)),
            (&[10, 2, 0, 1], None),
            (&[10, 4, 0, 0], None),
            (&[10], None),
            (&[], None),
            (&[9, 255, 0], None),
        ] {
            assert_eq!(max_apdu_data(properties), size, "{properties:?}");
        }
    }
}
