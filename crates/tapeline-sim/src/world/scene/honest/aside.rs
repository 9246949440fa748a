//! Topics that have to be set aside, since the translation of their messages panics: they are no more carried than after
//! a cut, until a connection says again that it will bring them.

use super::{Course, Honest};

impl Honest {
    /// The host's translation is a brittle one, or not.
    pub(in super::super) fn reading(self, brittle: bool) -> Self {
        Self { brittle, ..self }
    }

    /// A stream has to be set aside: nothing is asked for until its time is over, and no answer counts.
    pub(super) fn set_aside(&mut self, stream: &str) {
        let watcher = self.watcher;
        for course in self.named(stream) {
            course.aside = true;
            course.agreed.clear();
            course.asked.clear();
            course.cut(watcher);
        }
    }
}

impl Course {
    /// A connection says that it will bring it.
    pub(super) fn is_promised(&mut self, slot: u32, dial: u32) {
        self.agreed.insert(slot, dial);
        self.aside = false;
    }
}
