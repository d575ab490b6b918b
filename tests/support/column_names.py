"""Names of columns in public data sets and interfaces, and values that clients send as names."""

NAMES = {
    "nycflights13": """
        month day dep_time sched_dep_time dep_delay arr_delay carrier flight origin dest air_time
        distance hour minute temp dewp humid wind_dir wind_speed precip pressure visib
        label_late15 tailnum time_hour year""",
    "folktables, US Census": """
        AGEP SCHL MAR RELP DIS ESP CIT MIG MIL ANC NATIVITY DEAR DEYE DREM SEX RAC1P employed
        predicted_probability PWGTP1 PWGTP80 ST PUMA00""",
    "US Census, API": "B01001_001E B19013_001E DP03_0062PE S1701_C03_001E GEO_ID NAME",
    "synthetic car loans": """
        car_value salary_range debt_to_income_ratio loan_length repaid_loan_on_prev_car
        size_of_downpayment driver_tenure repaid timestamp y_pred_proba y_pred""",
    "UCI, adult": """
        age workclass fnlwgt education education-num marital-status capital-gain hours-per-week
        native-country <=50K >50K""",
    "UCI, human activity": """
        tBodyAcc-mean()-X tBodyAcc-arCoeff()-X,1 fBodyAccJerk-bandsEnergy()-1,8 tBodyGyroJerkMag-arCoeff()4
        fBodyAccJerk-meanFreq()-X angle(tBodyAccJerkMean),gravityMean)""",
    "UCI, wine and iris": """
        |fixed acidity|sepal length (cm)|od280/od315_of_diluted_wines|total sulfur dioxide|
        proline|color_intensity""",
    "UCI, credit cards": "LIMIT_BAL PAY_0 PAY_6 BILL_AMT1 PAY_AMT6 default.payment.next.month",
    "UCI, diabetes in hospitals": """
        time_in_hospital num_lab_procedures diag_1 max_glu_serum A1Cresult
        glyburide-metformin glimepiride-pioglitazone readmitted""",
    "Kaggle, Titanic and Ames": """
        PassengerId Pclass SibSp Parch Embarked MSSubClass LotFrontage 1stFlrSF 2ndFlrSF 3SsnPorch
        BsmtFinSF1 TotRmsAbvGrd GarageYrBlt YearRemodAdd""",
    "Kaggle, Home Credit": """
        SK_ID_CURR AMT_REQ_CREDIT_BUREAU_QRT EXT_SOURCE_3 FLAG_DOCUMENT_21 DAYS_ID_PUBLISH
        YEARS_BEGINEXPLUATATION_MEDI NAME_CONTRACT_TYPE_Revolving_loans""",
    "Kaggle, credit": """
        RevolvingUtilizationOfUnsecuredLines NumberOfTime30-59DaysPastDueNotWorse
        NumberOfTimes90DaysLate NumberRealEstateLoansOrLines V1 V28 Amount""",
    "Lending Club": """
        inq_last_6mths mths_since_last_delinq acc_now_delinq tot_coll_amt mo_sin_old_rev_tl_op
        num_tl_90g_dpd_24m num_tl_op_past_12m pct_tl_nvr_dlq pub_rec_bankruptcies""",
    "KDD Cup 1999": "src_bytes num_failed_logins dst_host_srv_diff_host_rate su_attempted",
    "Criteo": "I1 I13 C1 C26 label",
    "COMPAS": "c_charge_degree days_b_screening_arrest v_decile_score two_year_recid juv_fel_count",
    "radiomics": """
        original_firstorder_90Percentile wavelet-LH_glszm_SmallAreaHighGrayLevelEmphasis
        original_glcm_Idmn log-sigma-3-0-mm-3D_glrlm_LongRunLowGrayLevelEmphasis""",
    "genes": """
        ENSG00000139618 ENSG00000139618.15 rs1234567 chr17:7577120 SNP_A-8575125 202763_at
        1552256_a_at hsa-miR-21-5p BRCA1 C1orf112 HLA-DRB1 NM_001126112.2""",
    "weather": "2m_temperature t2m u10 850hPa PM2.5 pm10 CO(GT) PT08.S1(CO) NMHC(GT) SO2_ppb_24h",
    "satellites": "B8A SR_B4 brdf_ndvi_nbrt_tcwv_msavi_ndwi_swvl1 nrm_brdf_b2_b3_ndvi_p95_std_tm1",
    "World Bank": "NY.GDP.MKTP.CD SP.POP.TOTL SE.PRM.ENRR EN.ATM.CO2E.PC",
    "surveys": "V161087x V201507x BMXWT RIDAGEYR q12_3 Q7a_1 F1000SRY",
    "pivot tables": "|Jan-24|Dec-19|may 5|Jan|2023_sales|sales-2024|q1_2024|7 days|12 month|24 Hours|3 marks|2 octaves|1 decimal|",
    "pandas and Spark": """
        |Unnamed: 0|(0.0, 5.0]|[18, 30)|sum(amount)|count(DISTINCT user_id)|_1|_c0|level_0|index|
        (amount, mean)|city_Den Haag|<lambda_0>""",
    "buckets": "|18-24|65+|<18|>=65|0-60mph|0.5-1.0|18-24 years|age_18_24|",
    "OpenAI": """
        max_tokens frequency_penalty top_p logit_bias prompt_tokens completion_tokens_details
        finish_reason system_fingerprint cached_tokens parallel_tool_calls""",
    "KServe, Seldon, MLflow": """
        instances predictions inputs outputs dataframe_split binary_data_size
        sequence_id INPUT__0 OUTPUT__1 dense_2_input input.1 onnx::Gemm_17""",
    "embeddings": "bge_small_en_v1_5_embedding_384 embedding_127 word2vec_17 ndcg@10 recall@k map@0.5",
    "code": """
        TransactionTypeP2PXferACHDDABkt averageDaysBetweenTransactionsLast90Days
        HTTPResponseTimeP99Milliseconds kWhConsumptionB2BQ4FY23 gcpVMCPUx86vCPUCount
        isMarriedFilingSeparatelyOrHeadOfHousehold cnt_txn_24h_mcc_5411_vs_30d_avg""",
    "other languages": """
        Größe 年齢 возраст_клиента température_moyenne wskaznik_zadluzenia_gospodarstwa
        Kraftfahrzeughaftpflichtversicherung Krankenversicherungsbeitragssatz předpověď_počasí""",
}

VALUES = {
    "numbers": "41 -5 +1 3.14 .5 5, 1e5 -1.5E-3 0x1F 1_000 1_000_000.5 3.14j 1+2j ½ 3½ ٤٢ \uff11\uff12\uff13",
    "numbers as people write them": "|1,234.56|1 234|1.234,5|1'234|50%|12 %|(123)|(1,234.50)|1/2|5'11\"|",
    "money": "|$5.00|5 €|₹500|£1,000|₺ 20|USD 5|5.00 EUR|-$3|US$5|R$ 10|CHF 1'000.50|5 kr|",
    "tuples and intervals": "|52.37,4.89|48.8566, 2.3522|52.37,-4.89|-16.2428, -65.9961|(8, 61)|[1,2]|1;2;3|",
    "coordinates": "|48.8566 N|48.8566N 2.3522E|48°51'24\"N|N48.8566 E2.3522|48.8566/2.3522|37.7749° N|",
    "dates": """
        |2024-01-01|2024/01/01|2024.1.5|01.02.2024|1/2/24|31-12-1999 23:59|2024-01|3/2024|20240101|
        2024-W05|2024W051|2024Q1|Q1 2024|2024-123|Jan 5, 2024|5 Jan 2024|05-Jan-24|January 2024|
        May 5th|2024-Jan|Mon, 01 Jan 2024 00:00:00 GMT|Mon Jan  1 00:00:00 2024|Jan  5 10:30:00""",
    "times": "|12:30|12:30:45|10:15 pm|10am|1700000000|1700000000000|2024-01-01T00:00:00Z|event_1700000000000|",
    "mail addresses": """
        |jo@example.com|JO@EXAMPLE.COM|user:jo@example.com|Jo <jo@example.com>|jö@exämple.de|
        jo%40x.com|jo%2540x.com|user=jo%40example.com|jo@localhost|jo@[10.0.0.1]|jo (at) example.com|jo\uff20example.com|""",
    "addresses of machines": """
        10.0.0.1 192.168.1.1:8080 10.0.0.0/8 ::1 2001:db8::1 [fe80::1] 00:1a:2b:3c:4d:5e
        001B.4411.3AB7""",
    "telephones": "|+31 6 12345678|(555) 123-4567|0031612345678|555-123-4567 x12|",
    "accounts and cards": """
        |GB29 NWBK 6016 1331 9268 19|DE89 3704 0044 0532 0130 00|DE89370400440532013000|NL91ABNA0417164300|
        DE89_3704_0044_0532_0130_00|4111 1111 1111 1111|4111111111111111|card 4111-1111-1111-1111|user_404198515864|""",
    "numbers of persons": """
        |190-44-1234|AB123456C|AB-123456-C|AB 12 34 56 C|12345678Z|X1234567L|RSSMRA85T10A562S|131052-308T|123.456.789-09|
        DE123456789|NL123456789B01|""",
    "identifiers": """
        {00112233-4455-6677-8899-aabbccddeeff} user_00112233-4455-6677-8899-aabbccddeeff
        0123456789abcdef 507f1f77bcf86cd799439011 19087096.e6b0e875.86aabf80.09e70428 #ff00a1
        01ARZ3NDEKTSV4RRFFQ69G5FAV cjld2cjxh0000qzrmn831i7rn""",
    "tokens": """
        AKIAIOSFODNN7EXAMPLE ghp_16C7e42F292c6912E7710c838347Ae178B4a 4kC9MyAk_0ZatHuG1_nffyRkvA_htk0phDX
        Y4OT_FJDu_b1RD_11Tz_n9FT_rrs6_0k9Q A1B2-C3D4-E5F6-G7H8-J9K0-L1M2
        dGhpcyBpcyBhIHRlc3Qgb2YgYmFzZTY0""",
    "JSON": """|{"a": 1}|{'a':1}|[1, 2.5]|""",
}


def listed(table: dict[str, str]) -> list[tuple[str, str]]:
    """Return pairs of kind and text; bars separate texts, or spaces if there are no bars."""
    found: list[tuple[str, str]] = []
    for kind, texts in table.items():
        parts = texts.replace("\n", "|").split("|") if "|" in texts else texts.split()
        found += [(kind, part.strip()) for part in parts if part.strip()]
    return found
