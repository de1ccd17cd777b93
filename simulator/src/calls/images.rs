//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html>

use super::{Answer, Ids, accounts, is_id, may_use, page};
use crate::answer::{Refusal, Xml};
use crate::filter::Filter;
use crate::query::Call;
use crate::world::image::Image;
use crate::world::{Region, World};

/// Without `Owner` and `ExecutableBy`: all that the caller may launch. Deprecated ones only for their owner and for
/// who asks for them; disabled ones only for who asks for them.
pub(super) fn describe(world: &World, call: &Call) -> Answer {
    let params = &call.params;
    let ids = Ids::read(params, "ImageId", checked, not_found)?;
    let me = &*call.account;
    let mut filters = params.filters()?;
    let owners = accounts(call, "Owner");
    if !owners.is_empty() {
        filters.push(Filter::literal("owner-id", owners));
    }
    if !params.flag("IncludeDisabled") {
        filters.push(Filter::new("state", vec!["available".into()]));
    }
    if !params.flag("IncludeDeprecated") {
        filters.push(Filter::literal(".seen-by", vec!["all".into(), me.into()]));
    }
    let executable = accounts(call, "ExecutableBy");
    let executable: Vec<(&str, &str)> = executable.iter().map(|who| (".executable-by", who.as_str())).collect();
    let visible = [("owner-id", me), (".executable-by", me), (".executable-by", "all")];
    let scopes: &[&[(&str, &str)]] = &[&visible, &executable];
    let scopes = if executable.is_empty() { &scopes[..1] } else { scopes };
    let found = world.region(&call.region, |region| page(world, call, &region.images, scopes, &ids, &filters))?;
    let mut xml = Xml::default();
    xml.set("imagesSet", &found.rows, |xml, image| write(xml, image));
    xml.next_token(found.next_token.as_deref());
    Ok(xml)
}

fn write(xml: &mut Xml, image: &Image) {
    xml.text("imageId", &image.id).text("imageLocation", &format!("{}/{}", image.owner, image.name));
    xml.text("imageState", if image.is_disabled { "disabled" } else { "available" });
    xml.text("imageOwnerId", &image.owner).time("creationDate", image.created);
    xml.plain("isPublic", image.executable_by.contains("all")).text("architecture", "x86_64");
    xml.text("imageType", "machine").text("name", &image.name);
    if let Some(alias) = &image.owner_alias {
        xml.text("imageOwnerAlias", alias);
    }
    if let Some(time) = image.deprecated {
        xml.time("deprecationTime", time);
    }
    xml.text("rootDeviceType", "ebs").text("rootDeviceName", &image.root_device);
    xml.set("blockDeviceMapping", &image.devices, |xml, device| {
        xml.text("deviceName", &device.device).within("ebs", |xml| {
            xml.text("snapshotId", &device.snapshot).plain("volumeSize", device.size);
            xml.plain("deleteOnTermination", true).text("volumeType", "gp3").plain("encrypted", false);
        });
    });
    xml.text("virtualizationType", "hvm").tags(&image.tags);
}

/// An image that `call`'s account can launch.
pub(super) fn launchable<'a>(region: &'a Region, call: &Call, id: &str) -> Result<&'a Image, Refusal> {
    let may = |image: &&Image| may_use(call, &image.owner, &image.executable_by);
    let image = region.images.get(checked(id)?).filter(may).ok_or_else(|| not_found(id))?;
    match image.is_disabled {
        false => Ok(image),
        true => Err(Refusal::client("InvalidAMIID.Unavailable", format!("The image ID '{id}' is not available"))),
    }
}

fn checked(id: &str) -> Result<&str, Refusal> {
    match is_id(id, "ami") {
        true => Ok(id),
        false => Err(Refusal::client("InvalidAMIID.Malformed", format!("Invalid id: \"{id}\""))),
    }
}

pub(super) fn not_found(id: &str) -> Refusal {
    Refusal::client("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist"))
}
