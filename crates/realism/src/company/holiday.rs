//! Public holidays, computed for any year by the rules that are in force; single days that were proclaimed once are not in here.
//!
//! Sources, by country:
//! - US: 5 U.S.C. 6103; days off in lieu by its subsection (b) and Executive Order 11582.
//! - GB: Banking and Financial Dealings Act 1971, schedule 1, and the list of bank holidays in England and Wales on gov.uk.
//! - DE: the laws on Sundays and holidays of the states, as far as all sixteen agree; 3 October by the Unification Treaty, article 2.
//! - FR: Code du travail, L3133-1.
//! - ES: Real Decreto 2001/1983, article 45, as far as it holds everywhere; communities move some to Mondays, which is left out.
//! - CH: Bundesverfassung, article 110, and the Ruhetags- und Ladenöffnungsgesetz of the canton of Zurich (LS 822.4), § 1.
//! - AT: Arbeitsruhegesetz, § 7.
//! - NL: Algemene termijnenwet, article 3.
//! - IT: Legge 260/1949 as amended; 4 October by Legge 151/2025.
//! - SE: Lag (1989:253) om allmänna helgdagar; the three eves by Semesterlagen (1977:480), § 3 a.

use jiff::civil::{Date, Weekday};

use super::country::Country;

/// When a holiday is.
#[derive(Debug, Clone, Copy)]
enum Rule {
    /// Month and day.
    Fixed(i8, i8),
    /// Month and day, if it is one of these weekdays: days off in lieu, and feasts that move away from a Sunday.
    If(i8, i8, &'static [Weekday]),
    /// So many days after Easter Sunday.
    Easter(i32),
    /// The first such weekday on or after this month and day.
    From(i8, i8, Weekday),
}

use Rule::{Easter, Fixed, From, If};
use Weekday::{Friday, Monday, Saturday, Thursday, Tuesday, Wednesday};

/// What is celebrated, by which rule, and since which year.
type Holiday = (&'static str, Rule, i16);

/// No first year that matters.
const EVER: i16 = 0;
const NOT_SUNDAY: &[Weekday] = &[Monday, Tuesday, Wednesday, Thursday, Friday, Saturday];

const US: &[Holiday] = &[
    ("New Year's Day", Fixed(1, 1), EVER),
    ("New Year's Day (observed)", If(12, 31, &[Friday]), EVER),
    ("New Year's Day (observed)", If(1, 2, &[Monday]), EVER),
    ("Martin Luther King Jr. Day", From(1, 15, Monday), 1986),
    ("Presidents' Day", From(2, 15, Monday), 1971),
    ("Memorial Day", From(5, 25, Monday), 1971),
    ("Juneteenth", Fixed(6, 19), 2021),
    ("Juneteenth (observed)", If(6, 18, &[Friday]), 2021),
    ("Juneteenth (observed)", If(6, 20, &[Monday]), 2021),
    ("Independence Day", Fixed(7, 4), EVER),
    ("Independence Day (observed)", If(7, 3, &[Friday]), EVER),
    ("Independence Day (observed)", If(7, 5, &[Monday]), EVER),
    ("Labor Day", From(9, 1, Monday), EVER),
    ("Columbus Day", From(10, 8, Monday), 1971),
    ("Veterans Day", Fixed(11, 11), EVER),
    ("Veterans Day (observed)", If(11, 10, &[Friday]), EVER),
    ("Veterans Day (observed)", If(11, 12, &[Monday]), EVER),
    ("Thanksgiving", From(11, 22, Thursday), EVER),
    ("Christmas Day", Fixed(12, 25), EVER),
    ("Christmas Day (observed)", If(12, 24, &[Friday]), EVER),
    ("Christmas Day (observed)", If(12, 26, &[Monday]), EVER),
];

const GB: &[Holiday] = &[
    ("New Year's Day", Fixed(1, 1), EVER),
    ("New Year's Day (substitute)", If(1, 2, &[Monday]), EVER),
    ("New Year's Day (substitute)", If(1, 3, &[Monday]), EVER),
    ("Good Friday", Easter(-2), EVER),
    ("Easter Monday", Easter(1), EVER),
    ("Early May bank holiday", From(5, 1, Monday), 1978),
    ("Spring bank holiday", From(5, 25, Monday), 1971),
    ("Summer bank holiday", From(8, 25, Monday), 1971),
    ("Christmas Day", Fixed(12, 25), EVER),
    ("Boxing Day", Fixed(12, 26), EVER),
    // Christmas on a weekend moves both days, in whichever order, to what follows.
    ("Christmas (substitute)", If(12, 27, &[Monday, Tuesday]), EVER),
    ("Boxing Day (substitute)", If(12, 28, &[Monday, Tuesday]), EVER),
];

const DE: &[Holiday] = &[
    ("Neujahr", Fixed(1, 1), EVER),
    ("Karfreitag", Easter(-2), EVER),
    ("Ostermontag", Easter(1), EVER),
    ("Tag der Arbeit", Fixed(5, 1), EVER),
    ("Christi Himmelfahrt", Easter(39), EVER),
    ("Pfingstmontag", Easter(50), EVER),
    ("Tag der Deutschen Einheit", Fixed(10, 3), 1990),
    ("1. Weihnachtstag", Fixed(12, 25), EVER),
    ("2. Weihnachtstag", Fixed(12, 26), EVER),
];

const FR: &[Holiday] = &[
    ("jour de l'An", Fixed(1, 1), EVER),
    ("lundi de Pâques", Easter(1), EVER),
    ("fête du Travail", Fixed(5, 1), EVER),
    ("8 mai", Fixed(5, 8), 1982),
    ("Ascension", Easter(39), EVER),
    ("lundi de Pentecôte", Easter(50), EVER),
    ("14 juillet", Fixed(7, 14), EVER),
    ("Assomption", Fixed(8, 15), EVER),
    ("Toussaint", Fixed(11, 1), EVER),
    ("11 novembre", Fixed(11, 11), EVER),
    ("Noël", Fixed(12, 25), EVER),
];

const ES: &[Holiday] = &[
    ("Año Nuevo", Fixed(1, 1), EVER),
    ("Reyes", Fixed(1, 6), EVER),
    ("Viernes Santo", Easter(-2), EVER),
    ("Día del Trabajo", Fixed(5, 1), EVER),
    ("Asunción", Fixed(8, 15), EVER),
    ("Fiesta Nacional", Fixed(10, 12), EVER),
    ("Todos los Santos", Fixed(11, 1), EVER),
    ("Día de la Constitución", Fixed(12, 6), EVER),
    ("Inmaculada", Fixed(12, 8), EVER),
    ("Navidad", Fixed(12, 25), EVER),
];

const CH: &[Holiday] = &[
    ("Neujahr", Fixed(1, 1), EVER),
    ("Karfreitag", Easter(-2), EVER),
    ("Ostermontag", Easter(1), EVER),
    ("Tag der Arbeit", Fixed(5, 1), EVER),
    ("Auffahrt", Easter(39), EVER),
    ("Pfingstmontag", Easter(50), EVER),
    ("Bundesfeiertag", Fixed(8, 1), 1994),
    ("Weihnachtstag", Fixed(12, 25), EVER),
    ("Stephanstag", Fixed(12, 26), EVER),
];

const AT: &[Holiday] = &[
    ("Neujahr", Fixed(1, 1), EVER),
    ("Heilige Drei Könige", Fixed(1, 6), EVER),
    ("Ostermontag", Easter(1), EVER),
    ("Staatsfeiertag", Fixed(5, 1), EVER),
    ("Christi Himmelfahrt", Easter(39), EVER),
    ("Pfingstmontag", Easter(50), EVER),
    ("Fronleichnam", Easter(60), EVER),
    ("Mariä Himmelfahrt", Fixed(8, 15), EVER),
    ("Nationalfeiertag", Fixed(10, 26), EVER),
    ("Allerheiligen", Fixed(11, 1), EVER),
    ("Mariä Empfängnis", Fixed(12, 8), EVER),
    ("Weihnachten", Fixed(12, 25), EVER),
    ("Stephanstag", Fixed(12, 26), EVER),
];

const NL: &[Holiday] = &[
    ("Nieuwjaarsdag", Fixed(1, 1), EVER),
    ("Goede Vrijdag", Easter(-2), EVER),
    ("tweede paasdag", Easter(1), EVER),
    ("Koningsdag", If(4, 26, &[Saturday]), 2014),
    ("Koningsdag", If(4, 27, NOT_SUNDAY), 2014),
    ("Bevrijdingsdag", Fixed(5, 5), EVER),
    ("Hemelvaartsdag", Easter(39), EVER),
    ("tweede pinksterdag", Easter(50), EVER),
    ("eerste kerstdag", Fixed(12, 25), EVER),
    ("tweede kerstdag", Fixed(12, 26), EVER),
];

const IT: &[Holiday] = &[
    ("Capodanno", Fixed(1, 1), EVER),
    ("Epifania", Fixed(1, 6), EVER),
    ("Lunedì dell'Angelo", Easter(1), EVER),
    ("Festa della Liberazione", Fixed(4, 25), EVER),
    ("Festa del Lavoro", Fixed(5, 1), EVER),
    ("Festa della Repubblica", Fixed(6, 2), 2001),
    ("Ferragosto", Fixed(8, 15), EVER),
    ("San Francesco", Fixed(10, 4), 2026),
    ("Ognissanti", Fixed(11, 1), EVER),
    ("Immacolata Concezione", Fixed(12, 8), EVER),
    ("Natale", Fixed(12, 25), EVER),
    ("Santo Stefano", Fixed(12, 26), EVER),
];

const SE: &[Holiday] = &[
    ("nyårsdagen", Fixed(1, 1), EVER),
    ("trettondedag jul", Fixed(1, 6), EVER),
    ("långfredagen", Easter(-2), EVER),
    ("annandag påsk", Easter(1), EVER),
    ("första maj", Fixed(5, 1), EVER),
    ("Kristi himmelsfärdsdag", Easter(39), EVER),
    ("nationaldagen", Fixed(6, 6), 2005),
    ("midsommarafton", From(6, 19, Friday), EVER),
    ("midsommardagen", From(6, 20, Saturday), EVER),
    ("alla helgons dag", From(10, 31, Saturday), EVER),
    ("julafton", Fixed(12, 24), EVER),
    ("juldagen", Fixed(12, 25), EVER),
    ("annandag jul", Fixed(12, 26), EVER),
    ("nyårsafton", Fixed(12, 31), EVER),
];

const fn list(country: Country) -> &'static [Holiday] {
    match country {
        Country::Us => US,
        Country::Gb => GB,
        Country::De => DE,
        Country::Fr => FR,
        Country::Es => ES,
        Country::Ch => CH,
        Country::At => AT,
        Country::Nl => NL,
        Country::It => IT,
        Country::Se => SE,
    }
}

/// What is celebrated on a date.
pub(super) fn on(country: Country, date: Date) -> Option<&'static str> {
    let (weekday, from_easter) = (date.weekday(), day_number(date) - easter(date.year()));
    let is_it = |rule: Rule| match rule {
        Fixed(month, day) => (date.month(), date.day()) == (month, day),
        If(month, day, weekdays) => (date.month(), date.day()) == (month, day) && weekdays.contains(&weekday),
        Easter(days) => from_easter == days,
        From(month, day, wanted) => weekday == wanted && is_within_week(date, month, day),
    };
    let found = list(country).iter().find(|(_, rule, since)| date.year() >= *since && is_it(*rule));
    found.map(|(name, _, _)| *name)
}

/// Whether a date is one of the seven days from a month and day on.
fn is_within_week(date: Date, month: i8, day: i8) -> bool {
    let Ok(first) = Date::new(date.year(), month, day) else { return false };
    (0..7).contains(&(day_number(date) - day_number(first)))
}

/// Easter Sunday as a day of its year, counted from 1970, by the Gregorian computus (Meeus, Jones and Butcher; in J. Meeus,
/// Astronomical Algorithms, chapter 8).
fn easter(year: i16) -> i32 {
    let year_number = i32::from(year);
    let (a, b, c) = (year_number.rem_euclid(19), year_number.div_euclid(100), year_number.rem_euclid(100));
    let (d, e) = (b / 4, b % 4);
    let f = (b + 8) / 25;
    let g = (b - f + 1) / 3;
    let h = (19 * a + b - d - g + 15).rem_euclid(30);
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k).rem_euclid(7);
    let m = (a + 11 * h + 22 * l) / 451;
    let sum = h + l - 7 * m + 114;
    let (month, day) = (i8::try_from(sum / 31), i8::try_from(sum % 31 + 1));
    match (month, day) {
        (Ok(month), Ok(day)) => Date::new(year, month, day).map_or(i32::MAX / 2, day_number),
        _ => i32::MAX / 2,
    }
}

fn day_number(date: Date) -> i32 {
    crate::life::season::number(date)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn easter_is_where_the_calendars_have_it() {
        // From the table of the United States Naval Observatory.
        for (year, month, day) in [
            (1961, 4, 2),
            (2000, 4, 23),
            (2008, 3, 23),
            (2019, 4, 21),
            (2024, 3, 31),
            (2025, 4, 20),
            (2026, 4, 5),
            (2027, 3, 28),
            (2038, 4, 25),
        ] {
            assert_eq!(easter(year), day_number(date(year, month, day)), "{year}");
        }
    }

    fn weekdays_off(country: Country, year: i16) -> Vec<String> {
        let days = date(year, 1, 1).series(jiff::Span::new().days(1)).take_while(|day| day.year() == year);
        let is_weekday = |day: &Date| !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        days.filter(is_weekday)
            .filter(|day| on(country, *day).is_some())
            .map(|day| day.strftime("%m-%d").to_string())
            .collect()
    }

    #[test]
    fn holidays_are_those_of_the_official_lists() {
        // Each as its government published it, as far as it is on a weekday.
        for (country, year, listed) in [
            (Country::Us, 2026, "01-01 01-19 02-16 05-25 06-19 07-03 09-07 10-12 11-11 11-26 12-25"),
            (Country::Us, 2021, "01-01 01-18 02-15 05-31 06-18 07-05 09-06 10-11 11-11 11-25 12-24 12-31"),
            (Country::Gb, 2027, "01-01 03-26 03-29 05-03 05-31 08-30 12-27 12-28"),
            (Country::Gb, 2028, "01-03 04-14 04-17 05-01 05-29 08-28 12-25 12-26"),
            (Country::Gb, 2016, "01-01 03-25 03-28 05-02 05-30 08-29 12-26 12-27"),
            (Country::De, 2026, "01-01 04-03 04-06 05-01 05-14 05-25 12-25"),
            (Country::Fr, 2026, "01-01 04-06 05-01 05-08 05-14 05-25 07-14 11-11 12-25"),
            (Country::Es, 2026, "01-01 01-06 04-03 05-01 10-12 12-08 12-25"),
            (Country::Ch, 2026, "01-01 04-03 04-06 05-01 05-14 05-25 12-25"),
            (Country::At, 2026, "01-01 01-06 04-06 05-01 05-14 05-25 06-04 10-26 12-08 12-25"),
            (Country::Nl, 2026, "01-01 04-03 04-06 04-27 05-05 05-14 05-25 12-25"),
            (Country::It, 2026, "01-01 01-06 04-06 05-01 06-02 12-08 12-25"),
            (Country::Se, 2026, "01-01 01-06 04-03 04-06 05-01 05-14 06-19 12-24 12-25 12-31"),
        ] {
            assert_eq!(weekdays_off(country, year).join(" "), listed, "{country} {year}");
        }
        assert_eq!(Country::Nl.holiday(date(2025, 4, 26)), Some("Koningsdag"));
        assert_eq!(Country::Nl.holiday(date(2025, 4, 27)), None);
        assert_eq!(Country::It.holiday(date(2025, 10, 4)), None);
    }

    #[test]
    fn every_date_is_asked_without_harm() {
        for country in Country::ALL {
            for day in [Date::MIN, Date::MAX, date(2024, 2, 29), date(0, 3, 1)] {
                let _ = on(country, day);
            }
            assert_eq!(country.code().to_lowercase().parse(), Ok(country));
            assert!(country.seats().iter().all(|(_, zone)| zone.parse::<crate::Zone>().is_ok()));
        }
        assert!("XX".parse::<Country>().is_err());
    }
}
