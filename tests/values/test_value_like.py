import base64
import datetime as dt
import hashlib
import random
import string
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.column_names import NAMES as COLUMNS
from support.column_names import VALUES as KINDS
from support.column_names import listed

from nilometer.values.redacted import REDACTED
from nilometer.values.value_like import (
    MAX_NAME,
    RANDOM_FROM,
    is_place,
    is_position,
    looks_like_value,
    may_name,
)

WORDS = """
x y a1 t0 e1 1e 0x id _id @timestamp @type income income12 feature_0 feature_127 V14 pm2_5 p50 p99.9
sha256_ok is_fraud 2nd_degree 1st 3d_angle 10_day_avg 7d_avg 24h lag_1 lag-12 top-5 5xx 404_errors
age18to24 18-24 >50k <=50K >=10y Größe 年齢 возраст température prix_€ přidaná_hodnota_za_poslední_rok
ndcg@10 precision@5 map@0.5 recall@k jan may march monday time date q1 Q1 H2O CO2 utf8 x86_64 X_train_0
sepal.length petal_width_cm hours-per-week native-country capital.gain deadbeef cafe face facade be ad
ipv4 mac_address uuid email phone a:b:c time:start nan_count inf inf_norm null true C1orf112 BRCA1 chr1
rs123456 ENSG00000139618 PAY_0 BILL_AMT1 EXT_SOURCE_3 SK_ID_CURR TotalBsmtSF 1stFlrSF 3SsnPorch
GarageYrBlt 2023_sales sales_2023 word2vec_17 node4vec embedding_127 std_dev_of_x1x2x3
num_of_open_credit_lines_last_12_months averageDaysBetweenTransactionsLast90Days
DEBTINC_RATIO_ADJUSTED_FOR_INFLATION_2019 Kraftfahrzeughaftpflichtversicherung
isMarriedFilingSeparatelyOrHeadOfHousehold HTTPResponseTimeP99Milliseconds NUMBEROFTIMES90DAYSLATE
RevolvingUtilizationOfUnsecuredLines NumberOfTime30-59DaysPastDueNotWorse NumberOfTimes90DaysLate
mean_absolute_percentage_error feature_x1_y2_z3_lag_12_24_36 cnt_txn_24h_mcc_5411_vs_30d_avg
Donaudampfschifffahrtsgesellschaftskapitaen wskaznik_zadluzenia_gospodarstwa
"""
PHRASES = ["Unnamed: 0", "mean radius", "worst concave points", "Wind speed (m/s)", "Jan de Vries"]
NAMES = [*WORDS.split(), *PHRASES]

VALUES = [
    *(
        "41",
        "-5",
        "+1",
        "3.14",
        ".5",
        "5,",
        "1e5",
        "-1.5E-3",
        "1,234.56",
        "1 234",
        "1.234,5",
        "50%",
        'data:{"index": 1}',
    ),
    *(
        "$5.00",
        "5 €",
        "0x1F",
        "٤٢",
        "1700000000",
        "52.37,4.89",
        "190-44-1234",
        "4111 1111 1111 1111",
    ),
    *(
        "2024-01-01",
        "2024/01/01",
        "2024.1.5",
        "01.02.2024",
        "1/2/24",
        "31-12-1999 23:59",
        "2024-01",
    ),
    *("3/2024", "2024-W05", "2024W051", "2024Q1", "2024-Q1", "2024-123", "20240101"),
    *("2024-01-01T00:00:00Z", "2024-01-01 12:30:45.123+02:00", "20240101T120000Z"),
    *(
        "1970-01-01T00:00:00+0000",
        "2024-06-01T10:00:00Z[Europe/Berlin]",
        "Jan 5, 2024",
        "5 Jan 2024",
    ),
    *("05-Jan-2024", "January 2024", "Mon, 01 Jan 2024 00:00:00 GMT", "Mon Jan  1 00:00:00 2024"),
    *("12:30", "12:30:45", "10:15 pm", "10am", "jo@example.com", "jo.van+x@mail.example.co.uk"),
    *("JO@EXAMPLE.COM", "user:jo@example.com", "Jo <jo@example.com>", "jö@exämple.de"),
    *("jo@localhost", "{00112233-4455-6677-8899-aabbccddeeff}", "deadbeefdeadbeef"),
    *("urn:uuid:00112233-4455-6677-8899-AABBCCDDEEFF", "00112233445566778899aabbccddeeff"),
    *("user_00112233-4455-6677-8899-aabbccddeeff", "0123456789abcdef", "507f1f77bcf86cd799439011"),
    *("10.0.0.1", "192.168.1.1:8080", "10.0.0.0/8", "::1", "2001:db8::1", "[fe80::1]", "fe80::/10"),
    *(
        "00:1a:2b:3c:4d:5e",
        "00-1A-2B-3C-4D-5E",
        "+31 6 12345678",
        "(555) 123-4567",
        "0031612345678",
    ),
    *("555-123-4567 x12", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "0ujtsYcgvSTl8PAuAdqWYSMnLOv"),
    *("cjld2cjxh0000qzrmn831i7rn", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", REDACTED),
    *(f"{REDACTED} 2", "dGhpcyBpcyBhIHRlc3Qgb2YgYmFzZTY0", "x" * (MAX_NAME + 1)),
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jDmNHl0w5N_XgL0n",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_stays_one(name: str) -> None:
    assert not looks_like_value(name)
    assert may_name(name)


@pytest.mark.parametrize("value", VALUES)
def test_a_value_is_no_name(value: str) -> None:
    assert looks_like_value(value)


@pytest.mark.parametrize(("source", "name"), listed(COLUMNS))
def test_a_name_of_a_public_data_set_or_interface_is_a_name(source: str, name: str) -> None:
    assert not looks_like_value(name), source
    assert may_name(name), source


@pytest.mark.parametrize(("kind", "value"), listed(KINDS))
def test_a_value_of_any_kind_is_no_name(kind: str, value: str) -> None:
    assert looks_like_value(value), kind
    assert not may_name(value), kind
    assert not may_name(f"{value}.7"), kind


def test_there_are_sixty_of_each() -> None:
    assert len(set(listed(COLUMNS))) >= 60
    assert len(set(listed(KINDS))) >= 60


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_is_a_value(number: float) -> None:
    assert looks_like_value(str(number))


@given(st.integers(-(2**31), 2**32).map(lambda second: dt.datetime.fromtimestamp(second, dt.UTC)))
def test_every_time_is_a_value_however_it_is_written(time: dt.datetime) -> None:
    for text in (time.isoformat(), time.isoformat(" "), time.date().isoformat(), time.ctime()):
        assert looks_like_value(text)
    for pattern in (
        "%d.%m.%Y",
        "%m/%d/%y",
        "%d %b %Y",
        "%B %d, %Y",
        "%d-%b-%y",
        "%H:%M:%S",
        "%Y%m%d",
    ):
        assert looks_like_value(time.strftime(pattern))


@given(st.uuids(), st.sampled_from(["{}", "user_{}", "id:{}", "{{{}}}"]))
def test_every_uuid_is_a_value_wherever_it_stands(one: uuid.UUID, around: str) -> None:
    assert looks_like_value(around.format(one))
    assert looks_like_value(around.format(one.hex))


@given(st.emails(domains=st.sampled_from(["example.com", "mail.example.co.uk", "exämple.de"])))
def test_every_mail_address_is_a_value(address: str) -> None:
    assert looks_like_value(address)


@given(st.ip_addresses().map(str))
def test_every_ip_address_is_a_value(address: str) -> None:
    assert looks_like_value(address)


@given(st.text(string.hexdigits, min_size=16, max_size=MAX_NAME))
def test_sixteen_hexadecimal_digits_are_a_value(digits: str) -> None:
    assert looks_like_value(digits)


@pytest.mark.parametrize(
    "alphabet", [string.ascii_letters + string.digits + "-_", "0123456789ABCDEFGHJKMNPQRSTVWXYZ"]
)
def test_nearly_every_random_token_of_24_characters_is_a_value(alphabet: str) -> None:
    chance = random.Random(7)
    tokens = ["".join(chance.choices(alphabet, k=24)) for _ in range(1000)]
    assert sum(map(looks_like_value, tokens)) >= 980


@given(st.binary(min_size=64, max_size=64))
def test_base64_of_random_bytes_is_a_value(seed: bytes) -> None:
    token = base64.urlsafe_b64encode(hashlib.sha512(seed).digest()).decode()
    assert looks_like_value(token)


@given(st.text(max_size=300))
def test_any_text_is_judged(text: str) -> None:
    assert isinstance(looks_like_value(text), bool)


@given(st.integers(0, 2000))
def test_integers_below_1000_are_places(number: int) -> None:
    assert is_place(str(number)) == (number < 1000)
    assert not is_place(f"0{number}")


@pytest.mark.parametrize("groups", [3, 4, 6])
@pytest.mark.parametrize("length", [6, 8])
def test_nearly_every_random_token_in_groups_is_a_value(groups: int, length: int) -> None:
    chance = random.Random(7)
    alphabet = string.ascii_letters + string.digits
    for sign in "_-":
        tokens = [
            sign.join("".join(chance.choices(alphabet, k=length)) for _ in range(groups))
            for _ in range(200)
        ]
        long = [token for token in tokens if len(token) >= RANDOM_FROM]
        assert sum(map(looks_like_value, long)) >= 0.95 * len(long)


@given(st.floats(-90, 90), st.floats(-180, 180), st.sampled_from([",", ", ", " ", ";", "/"]))
def test_every_position_on_earth_is_a_value(north: float, east: float, sign: str) -> None:
    assert looks_like_value(f"{north:.4f}{sign}{east:.4f}")
    assert looks_like_value(f"({north:.4f}{sign}{east:.4f})")


@given(st.integers(0, 10**18 - 1), st.sampled_from([" ", "-", "_", ""]))
def test_every_account_is_a_value_in_groups_or_whole(number: int, sign: str) -> None:
    whole = f"DE07{number:018}"
    assert looks_like_value(sign.join(whole[at : at + 4] for at in range(0, len(whole), 4)))


def test_places_behind_a_name_do_not_hide_a_value() -> None:
    assert may_name("scores.3")
    assert not may_name("17")
    assert not may_name("17.3")
    assert not may_name("jo@example.com.3")
    assert not may_name("2024-01-01.3")
    assert not may_name("192.168.0.1")


def test_a_position_is_one_integer_or_two() -> None:
    assert all(map(is_position, ("0", "17", "999", "0.3", "17.127")))
    assert not any(map(is_position, ("1000", "01", "1.2.3", "192.168.0.1", "", "a", "a.1", "-1")))
