//! Names of people, by language: our own selection of what is common among people who work today, after the name statistics of
//! the Office for National Statistics and the Census Bureau, the Gesellschaft für deutsche Sprache, the INSEE and the INE.

use crate::Language;
use crate::random::Generator;

/// Given names of people who work today, and family names; separated by blanks.
pub(super) struct Names {
    pub(super) given: &'static str,
    pub(super) family: &'static str,
    /// Whether people bear two family names.
    pub(super) two_families: bool,
}

impl Names {
    pub(super) const fn of(language: Language) -> &'static Self {
        match language {
            Language::English => &ENGLISH,
            Language::German => &GERMAN,
            Language::French => &FRENCH,
            Language::Spanish => &SPANISH,
        }
    }
}

static ENGLISH: Names = Names {
    given: "James Sarah David Emma Michael Laura Andrew Rachel Daniel Claire Matthew Rebecca Thomas Hannah Christopher \
        Jessica Mark Karen Stephen Helen Robert Alice Jonathan Samantha Peter Joanna Richard Nicola Benjamin Amy Paul \
        Natalie Simon Fiona Adam Victoria Ryan Megan Kevin Linda Gareth Priya Owen Aisha Luke Charlotte",
    family: "Smith Jones Taylor Brown Wilson Evans Thomas Roberts Johnson Walker Wright Robinson Thompson White Hughes \
        Edwards Green Hall Wood Harris Clarke Jackson Turner Hill Cooper Ward Morris Moore Clark Baker Harrison Patel \
        Mitchell Parker Bennett Cook Murphy Bailey Collins Price Foster Gray Howard Reynolds Fletcher Marshall Barnes \
        Chapman Dixon Hayes Lawson Pearson Sutton Whitaker",
    two_families: false,
};

static GERMAN: Names = Names {
    given: "Thomas Sabine Michael Andrea Stefan Claudia Andreas Susanne Christian Anja Markus Nicole Matthias Katrin \
        Daniel Julia Sebastian Anna Jan Lena Tobias Katharina Florian Sarah Jürgen Birgit Frank Monika Uwe Heike Jörg \
        Silke Martin Petra Philipp Johanna Felix Miriam Holger Ulrike Björn Jasmin Emre Aylin Lukas Franziska",
    family: "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer Richter Klein \
        Wolf Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange Werner Krause Lehmann Köhler \
        Maier Huber Kaiser Fuchs Peters Lang Scholz Möller Weiß Jung Hahn Vogel Friedrich Keller Günther Berger \
        Winkler Roth Beck Lorenz Baumann Yılmaz Kowalski Brandt Haas",
    two_families: false,
};

static FRENCH: Names = Names {
    given: "Nicolas Isabelle Philippe Nathalie Christophe Sandrine Frédéric Céline Laurent Stéphanie Sébastien Aurélie \
        Julien Émilie Thomas Julie Guillaume Camille Olivier Valérie Pascal Sylvie David Virginie Jérôme Sophie \
        Vincent Caroline Antoine Marion Benoît Hélène Thierry Catherine Mathieu Élodie François Delphine Romain \
        Pauline Karim Nadia Alexandre Claire",
    family: "Martin Bernard Thomas Petit Robert Richard Durand Dubois Moreau Laurent Simon Michel Lefebvre Leroy Roux David \
        Bertrand Morel Fournier Girard Bonnet Dupont Lambert Fontaine Rousseau Vincent Muller Lefèvre Faure Mercier \
        Blanc Guérin Boyer Garnier Chevalier François Legrand Gauthier Perrin Robin Clément Morin Nicolas Henry \
        Roussel Gautier Masson Marchand Duval Denis Benali Nguyen Renaud Picard",
    two_families: false,
};

static SPANISH: Names = Names {
    given: "Antonio María Manuel Carmen José Ana Francisco Laura David Isabel Javier Cristina Daniel Marta Carlos Elena \
        Jesús Lucía Alejandro Sara Miguel Pilar Rafael Raquel Pablo Silvia Sergio Patricia Fernando Rocío Jorge \
        Beatriz Alberto Nuria Álvaro Alba Diego Irene Adrián Paula Rubén Mónica Iván Andrea Óscar Inés",
    family: "García Rodríguez González Fernández López Martínez Sánchez Pérez Gómez Martín Jiménez Hernández Ruiz Díaz \
        Moreno Muñoz Álvarez Romero Gutiérrez Alonso Navarro Torres Domínguez Ramos Vázquez Ramírez Gil Serrano \
        Morales Molina Blanco Suárez Castro Ortega Delgado Ortiz Marín Rubio Núñez Medina Sanz Castillo Iglesias \
        Cortés Garrido Santos Guerrero Lozano Cano Cruz Méndez Flores Prieto Herrera",
    two_families: true,
};

/// One of the names of a list.
pub(super) fn draw_name(names: &'static str, draw: &mut Generator) -> &'static str {
    let count = names.split_whitespace().count();
    names.split_whitespace().nth(draw.index(count)).unwrap_or_default()
}

/// A name in the letters of logins and addresses: `Jörg Weiß` is `joerg weiss` to Germans, `Núñez` is `nunez` to everybody else.
#[must_use]
pub fn plain_letters(text: &str, language: Language) -> String {
    let is_german = language == Language::German;
    let mut out = String::with_capacity(text.len() + 2);
    for letter in text.chars().flat_map(char::to_lowercase) {
        match letter {
            'ä' if is_german => out.push_str("ae"),
            'ö' if is_german => out.push_str("oe"),
            'ü' if is_german => out.push_str("ue"),
            'ß' => out.push_str("ss"),
            'á' | 'à' | 'â' | 'ä' | 'ã' | 'å' => out.push('a'),
            'é' | 'è' | 'ê' | 'ë' => out.push('e'),
            'í' | 'ì' | 'î' | 'ï' | 'ı' => out.push('i'),
            'ó' | 'ò' | 'ô' | 'ö' | 'õ' | 'ø' => out.push('o'),
            'ú' | 'ù' | 'û' | 'ü' => out.push('u'),
            'ñ' => out.push('n'),
            'ç' => out.push('c'),
            'œ' => out.push_str("oe"),
            'æ' => out.push_str("ae"),
            ' ' | '-' | '\'' => out.push('-'),
            _ if letter.is_ascii_alphanumeric() => out.push(letter),
            _ => {}
        }
    }
    let words: Vec<&str> = out.split('-').filter(|word| !word.is_empty()).collect();
    words.join("-")
}
