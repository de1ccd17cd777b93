//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetEbsEncryptionByDefault.html>

use super::Answer;
use crate::answer::Xml;
use crate::query::Call;
use crate::world::World;

pub(super) fn by_default(world: &World, _: &Call) -> Answer {
    let mut xml = Xml::default();
    xml.plain("ebsEncryptionByDefault", world.settings().encrypts_by_default);
    Ok(xml)
}
