"""The page of measurements says how to repeat each row, and its program writes the data they read."""

import re
from importlib.util import find_spec
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from quality import car_loan, flights

PAGE = (Path(__file__).parents[2] / "docs" / "quality.md").read_text()
FLIGHTS = """year,month,day,dep_delay,arr_delay,carrier,origin,dest,air_time,distance,hour,minute
2013,1,1,2,15,UA,EWR,IAH,227,1400,5,15
2013,1,1,NA,NA,B6,JFK,MIA,NA,1089,5,40
"""
LOANS = """id,car_value,salary_range,debt_to_income_ratio,loan_length,repaid_loan_on_prev_car,\
size_of_downpayment,driver_tenure,{more}timestamp,y_pred_proba,y_pred
7,39811.0,40K - 60K,0.63,19.0,False,40%,0.21,{value}2018-01-01 00:00:00.000,0.99,1
"""


def test_each_row_names_a_command_that_exists() -> None:
    tables = re.findall(r"\n\| (?:traffic|drift) \|.*?\n\n", PAGE, re.DOTALL)
    rows = [row for table in tables for row in table.strip().splitlines()[2:]]
    commands = [re.fullmatch(r"\|.*\| `(quality\.\w+)` \|", row) for row in rows]
    assert len(rows) > 10
    assert all(one and find_spec(one[1]) for one in commands)


def test_the_program_writes_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("flights.csv").write_text(FLIGHTS)
    for half, more, value in (("reference", "repaid,", "1.0,"), ("analysis", "", "")):
        text = LOANS.format(more=more, value=value)
        Path(f"synthetic_car_loan_{half}.csv").write_text(text)
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(program, {})
    written = pq.read_table("flights.parquet")
    assert written["label_late15"].to_pylist() == [1.0, None]
    assert {*flights.COLUMNS, "month", "day", "hour", "minute"} <= {*written.column_names}
    loans = pq.read_table("loans.parquet")
    assert loans.num_rows == 2
    assert {*car_loan.COLUMNS} <= {*loans.column_names}
