//! Content negotiation: may this answer be JSON?

/// Whether an `Accept` header admits `application/json`. The most specific range that matches decides; `q=0` refuses.
pub(crate) fn admits_json(accept: Option<&str>) -> bool {
    let Some(accept) = accept.filter(|text| !text.trim().is_empty()) else { return true };
    let mut best: Option<(u8, bool)> = None;
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let specificity = match parts.next().unwrap_or("").to_ascii_lowercase().as_str() {
            "application/json" => 3,
            "application/*" => 2,
            "*/*" | "*" => 1,
            _ => continue,
        };
        let refused = parts.any(|parameter| {
            parameter
                .strip_prefix("q=")
                .is_some_and(|quality| quality.trim().parse::<f32>().is_ok_and(|quality| quality <= 0.0))
        });
        if best.is_none_or(|(most, _)| specificity > most) {
            best = Some((specificity, !refused));
        }
    }
    best.is_some_and(|(_, admitted)| admitted)
}

#[cfg(test)]
mod tests {
    use super::admits_json;

    #[test]
    fn json_is_admitted_unless_ranges_leave_it_out() {
        for (accept, admitted) in [
            (None, true),
            (Some(""), true),
            (Some("*/*"), true),
            (Some("text/html, application/*;q=0.5"), true),
            (Some("application/json; q=0, */*"), false),
            (Some("text/html"), false),
            (Some("text/html,*/*;q=0.8"), true),
        ] {
            assert_eq!(admits_json(accept), admitted, "{accept:?}");
        }
    }
}
