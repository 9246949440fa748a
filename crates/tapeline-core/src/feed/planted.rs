//! What planted defects do to the bytes of a line; see [`crate::defect`].

use std::borrow::Cow;

use crate::defect::{Defect, planted};
use crate::venue::LineId;

use super::Feed;

impl Feed {
    /// What a feed with a defect takes for the frame that came; `None` = nothing yet.
    pub(super) fn mistaken<'a>(&mut self, id: LineId, bytes: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        if planted(Defect::LoseLastFrame) {
            return self.kept.insert(id, bytes.to_vec()).map(Cow::Owned);
        }
        if planted(Defect::JoinFrames)
            && let Some(mut kept) = self.kept.remove(&id)
        {
            kept.extend_from_slice(bytes);
            return Some(Cow::Owned(kept));
        }
        Some(Cow::Borrowed(bytes))
    }

    /// A frame could not be translated.
    pub(super) fn spare_the_rest(&mut self, id: LineId, bytes: &[u8]) {
        if planted(Defect::JoinFrames) {
            self.kept.insert(id, bytes.to_vec());
        }
    }
}
