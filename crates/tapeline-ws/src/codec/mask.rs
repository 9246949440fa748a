//! Masking (RFC 6455 section 5.3): XOR with a repeated four-byte key, in place, by words.

/// Applies `key` to `bytes`, which begin at the start of a payload. The operation undoes itself.
pub(crate) fn apply(key: [u8; 4], bytes: &mut [u8]) {
    let [a, b, c, d] = key;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = bytes.chunks_exact_mut(8);
    for chunk in &mut words {
        // The chunk has eight bytes by construction; the compiler turns the loop into vector code.
        if let Ok(eight) = <&mut [u8; 8]>::try_from(chunk) {
            *eight = (u64::from_ne_bytes(*eight) ^ word).to_ne_bytes();
        }
    }
    for (byte, mask) in words.into_remainder().iter_mut().zip(key.iter().cycle()) {
        *byte ^= mask;
    }
}

/// As [`apply`], with `bytes` that begin `at` bytes behind the start of the payload.
#[inline]
pub(crate) fn apply_from(at: usize, mut key: [u8; 4], bytes: &mut [u8]) {
    key.rotate_left(at % 4);
    apply(key, bytes);
}

#[cfg(test)]
mod tests {
    #[test]
    fn pieces_and_the_whole_unmask_alike() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let plain: Vec<u8> = (0..40).collect();
        let mut whole = plain.clone();
        super::apply(key, &mut whole);
        for cut in 0..plain.len() {
            let mut pieces = plain.clone();
            let (one, other) = pieces.split_at_mut(cut);
            super::apply(key, one);
            super::apply_from(cut, key, other);
            assert_eq!(pieces, whole, "cut at {cut}");
        }
    }

    #[test]
    fn words_and_bytes_agree_at_every_length() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for length in 0..67 {
            let plain: Vec<u8> = (0..length).collect();
            let expected: Vec<u8> = plain.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]).collect();
            let mut bytes = plain.clone();
            super::apply(key, &mut bytes);
            assert_eq!(bytes, expected);
            super::apply(key, &mut bytes);
            assert_eq!(bytes, plain);
        }
    }

    #[test]
    fn the_example_of_the_rfc_unmasks() {
        let mut bytes = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        super::apply([0x37, 0xfa, 0x21, 0x3d], &mut bytes);
        assert_eq!(&bytes, b"Hello");
    }
}
