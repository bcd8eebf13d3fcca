//! Rules for every contract.

use prost_types::source_code_info::Location;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto};

/// Whether the element at `path` has a comment before it.
fn is_explained(locations: &[Location], path: &[i32]) -> bool {
    let comment = locations.iter().find(|location| location.path == path);
    comment.is_some_and(|location| !location.leading_comments().trim().is_empty())
}

fn message_faults(file: &FileDescriptorProto, message: &DescriptorProto, path: &[i32]) -> Vec<String> {
    let locations = &file.source_code_info.as_ref().expect("with comments").location;
    let at = |field: i32, index: usize| [path, &[field, i32::try_from(index).expect("few")]].concat();
    let mut faults = Vec::new();
    for (index, field) in message.field.iter().enumerate() {
        if !is_explained(locations, &at(2, index)) {
            faults.push(format!("{}.{} has no comment", message.name(), field.name()));
        }
    }
    for (index, nested) in message.nested_type.iter().enumerate() {
        faults.extend(message_faults(file, nested, &at(3, index)));
    }
    faults
}

fn enum_faults(file: &FileDescriptorProto, declared: &EnumDescriptorProto, path: &[i32]) -> Vec<String> {
    let locations = &file.source_code_info.as_ref().expect("with comments").location;
    let mut faults = Vec::new();
    for (index, value) in declared.value.iter().enumerate() {
        if !is_explained(locations, &[path, &[2, i32::try_from(index).expect("few")]].concat()) {
            faults.push(format!("{} has no comment", value.name()));
        }
    }
    if !declared.value[0].name().ends_with("_UNSPECIFIED") {
        faults.push(format!("the first value of {} is not the unspecified one", declared.name()));
    }
    faults
}

fn file_faults(file: &FileDescriptorProto) -> Vec<String> {
    let locations = &file.source_code_info.as_ref().expect("with comments").location;
    let number = |index: usize| i32::try_from(index).expect("few");
    let mut faults = Vec::new();
    let (folder, _) = file.name().rsplit_once('/').expect("in a folder");
    if file.package() != folder.replace('/', ".") {
        faults.push(format!("{} is of package {}", file.name(), file.package()));
    }
    for (index, message) in file.message_type.iter().enumerate() {
        faults.extend(message_faults(file, message, &[4, number(index)]));
    }
    for (index, declared) in file.enum_type.iter().enumerate() {
        faults.extend(enum_faults(file, declared, &[5, number(index)]));
    }
    for (index, service) in file.service.iter().enumerate() {
        for (method_index, method) in service.method.iter().enumerate() {
            if !is_explained(locations, &[6, number(index), 2, number(method_index)]) {
                faults.push(format!("{}.{} has no comment", service.name(), method.name()));
            }
        }
    }
    faults
}

#[test]
fn everything_is_explained_and_in_the_folder_of_its_package() {
    let set = oxwhisk_proto_generate::descriptors().expect("sound");
    let own: Vec<_> = set.file.iter().filter(|file| file.name().starts_with("oxwhisk/")).collect();
    assert!(!own.is_empty());
    let faults: Vec<String> = own.into_iter().flat_map(file_faults).collect();
    assert_eq!(faults, Vec::<String>::new());
}
