-- SKY2: the two ledgers of 別添２ and the claims that ask for information. The search path names the schema.
-- The ledger tables are written by adapters.sky2.ledgers.create_table; a test compares them.

create table receipts_ledger (
  row_id bigint generated always as identity primary key
  -- ＜宛名情報＞
  , addressee_number text not null  -- 宛名番号
  , addressee_individual_number bytea  -- 個人番号
  , addressee_corporate_number text  -- 法人番号
  , addressee_household_number text  -- 世帯番号
  , addressee_name jsonb  -- 氏名情報
  , addressee_birth_date date  -- 生年月日
  , addressee_sex text  -- 性別
  , addressee_relationship text  -- 続柄
  , addressee_resident_since date  -- 住民となった年月日
  , addressee_resident_notified_on date  -- 住民となった届出年月日
  , addressee_resident_reason text  -- 住民となった事由
  , addressee_resident_kind text  -- 住民区分（日本人・外国人）
  , addressee_household_head jsonb  -- 世帯主情報
  , addressee_address jsonb  -- 現住所情報
  , addressee_address_since date  -- 住所を定めた年月日
  , addressee_address_notified_on date  -- 住所を定めた届出年月日
  , addressee_previous_address jsonb  -- 前住所情報
  , addressee_moved_in_from jsonb  -- 転入元住所情報
  , addressee_moved_out_to jsonb  -- 転出先住所情報
  , addressee_family_register jsonb  -- 本籍・筆頭者情報
  , addressee_removal jsonb  -- 消除情報
  , addressee_nationality text  -- 国籍
  , addressee_residence_card_number text  -- 在留カード等の番号
  , addressee_residence_status jsonb  -- 在留資格情報
  , addressee_alias text  -- 通称
  , addressee_processing_stop jsonb  -- 処理停止情報
  , addressee_delivery_address jsonb  -- 送付先情報
  , addressee_delivery_address_history jsonb  -- 送付先履歴情報
  , addressee_heir jsonb  -- 相続人情報
  , addressee_heir_relationship jsonb  -- 相続人続柄情報
  , addressee_heir_history jsonb  -- 相続人履歴情報
  , addressee_tax_agent jsonb  -- 納税管理人情報
  , addressee_tax_agent_history jsonb  -- 納税管理人履歴情報
  , addressee_notes jsonb  -- 記事情報
  , addressee_contact jsonb  -- 連絡先情報
  , addressee_bankruptcy_trustee jsonb  -- 破産管財人情報
  , addressee_bankruptcy_trustee_history jsonb  -- 破産管財人履歴情報
  , addressee_accounts bytea  -- 口座情報（公金受取口座情報を含む。）
  -- ＜年調定情報＞
  , levy_premium_kind text  -- 税目
  , levy_assessed_year smallint  -- 賦課年度
  , levy_due_year smallint  -- 相当年度
  , levy_debtor_number text  -- 納税義務者番号
  , levy_change_reason text  -- 賦課異動理由
  , levy_correction_reason text  -- 更正事由
  , levy_corrected_on date  -- 更正日
  , levy_notice_number text  -- 通知書番号
  , levy_amount bigint  -- 年調定額
  , levy_insured_symbol_number text  -- 記号番号
  -- ＜月期別調定情報＞
  , term_premium_kind text  -- 税目
  , term_assessed_year smallint  -- 賦課年度
  , term_due_year smallint  -- 相当年度
  , term_debtor_number text  -- 納税義務者番号
  , term_number text  -- 期別
  , term_month text  -- 月別
  , term_due_on date  -- 納期限
  , term_person_kind text  -- 個人基本種別
  , term_change_reason text  -- 賦課異動理由
  , term_correction_reason text  -- 更正事由
  , term_corrected_on date  -- 更正日
  , term_paid_in_full_on date  -- 完納日
  , term_last_paid_on date  -- 最終納付日
  , term_last_received_on date  -- 最終収入日
  , term_principal_levied bigint  -- 本税調定額
  , term_principal_received bigint  -- 本税収入額
  , term_principal_provisionally_cleared bigint  -- 本税仮消込額
  , term_principal_to_be_appropriated bigint  -- 本税被充当予定額
  , term_principal_unpaid bigint  -- 本税未納額
  , term_principal_overpaid bigint  -- 本税過誤納額
  , term_late_charge_levied bigint  -- 延滞金調定額
  , term_late_charge_received bigint  -- 延滞金収入額
  , term_late_charge_provisionally_cleared bigint  -- 延滞金仮消込額
  , term_late_charge_to_be_appropriated bigint  -- 延滞金被充当予定額
  , term_late_charge_unpaid bigint  -- 延滞金未納額
  , term_late_charge_overpaid bigint  -- 延滞金過誤納額
  , term_retirement_payment_reported_on date  -- 退職納入申告日
  , term_due_date_exception text  -- 納期特例区分
  , term_prescription_expected_on date  -- 時効予定日
  , term_written_off_on date  -- 不納欠損処理日
  , term_written_off_on_second date  -- 不納欠損処理日
  , term_write_off_kind text  -- 不納欠損区分
  , term_late_charge_reduction_kind text  -- 延滞金減免区分
  , term_late_charge_fixed_on date  -- 延滞金確定日
  , term_late_charge_enforced_on date  -- 延滞金執行日
  , term_direct_debit_kind text  -- 口座振替区分
  , term_direct_debit_amount bigint  -- 振替金額
  , term_direct_debit_failure_reason text  -- 口振不能理由
  , term_direct_debited_on date  -- 口座振替日
  , term_changed_due_on date  -- 変更納期限
  , term_reminded_on date  -- 催告書発付日
  , term_instructed_on date  -- 授命年月日
  , term_reminder_due_on date  -- 催告納期
  , term_insured_symbol_number text  -- 記号番号
  -- ＜消込情報＞
  , clearing_premium_kind text  -- 税目
  , clearing_assessed_year smallint  -- 賦課年度
  , clearing_due_year smallint  -- 相当年度
  , clearing_debtor_number text  -- 納税義務者番号
  , clearing_payment_plan_round integer  -- 分納回数
  , clearing_term_month text  -- 期月
  , clearing_branch_number text  -- 子番
  , clearing_notice_number text  -- 通知書番号
  , clearing_receipted_on date  -- 領収日
  , clearing_received_on date  -- 収入日
  , clearing_payment_kind text  -- 納付区分
  , clearing_receipts_kind text  -- 収納種別
  , clearing_amount bigint  -- 消込金額
  , clearing_principal bigint  -- 消込本税額
  , clearing_late_charge bigint  -- 消込延滞金
  , clearing_fixed_late_charge bigint  -- 確定延滞金
  , clearing_unfixed_late_charge bigint  -- 未確定延滞金
  , clearing_processing jsonb  -- 消込処理情報
  , clearing_provisional jsonb  -- 仮消込情報
  , clearing_provisional_errors jsonb  -- 仮消込エラー情報
  -- ＜履歴情報＞
  , history_levies jsonb  -- 調定履歴情報
  , history_clearings jsonb  -- 消込履歴情報
  , history_provisional_clearings jsonb  -- 仮消込履歴情報
  , history_certificates_issued jsonb  -- 証明書発行履歴
  , history_appropriations jsonb  -- 充当履歴情報
  , history_refunds jsonb  -- 還付履歴情報
  , history_deduction_shortfall_appropriations jsonb  -- 控除不足充当履歴
  -- ＜その他収納管理情報＞
  , other_direct_debit bytea  -- 口座振替情報
  , other_returned_mail jsonb  -- 返戻情報
  , other_returned_mail_address jsonb  -- 返戻住所情報
  , other_overpayment jsonb  -- 過誤納情報
  , other_refund_notice jsonb  -- 還付通知書情報
  , other_payment_slip jsonb  -- 納付書情報
  , other_carried_over_levy jsonb  -- 滞繰調定情報
  , other_carried_over_change jsonb  -- 滞繰異動情報
  , other_deduction_shortfall jsonb  -- 控除不足情報
  , other_disposition jsonb  -- 処分情報
);
create index receipts_ledger_addressee on receipts_ledger (addressee_number);

create table arrears_ledger (
  row_id bigint generated always as identity primary key
  -- ＜宛名情報＞
  , addressee_number text not null  -- 宛名番号
  , addressee_individual_number bytea  -- 個人番号
  , addressee_corporate_number text  -- 法人番号
  , addressee_household_number text  -- 世帯番号
  , addressee_name jsonb  -- 氏名情報
  , addressee_birth_date date  -- 生年月日
  , addressee_sex text  -- 性別
  , addressee_relationship text  -- 続柄
  , addressee_resident_since date  -- 住民となった年月日
  , addressee_resident_notified_on date  -- 住民となった届出年月日
  , addressee_resident_reason text  -- 住民となった事由
  , addressee_resident_kind text  -- 住民区分（日本人・外国人）
  , addressee_household_head jsonb  -- 世帯主情報
  , addressee_address jsonb  -- 現住所情報
  , addressee_address_since date  -- 住所を定めた年月日
  , addressee_address_notified_on date  -- 住所を定めた届出年月日
  , addressee_previous_address jsonb  -- 前住所情報
  , addressee_moved_in_from jsonb  -- 転入元住所情報
  , addressee_moved_out_to jsonb  -- 転出先住所情報
  , addressee_family_register jsonb  -- 本籍・筆頭者情報
  , addressee_removal jsonb  -- 消除情報
  , addressee_nationality text  -- 国籍
  , addressee_residence_card_number text  -- 在留カード等の番号
  , addressee_residence_status jsonb  -- 在留資格情報
  , addressee_alias text  -- 通称
  , addressee_processing_stop jsonb  -- 処理停止情報
  , addressee_delivery_address jsonb  -- 送付先情報
  , addressee_delivery_address_history jsonb  -- 送付先履歴情報
  , addressee_heir jsonb  -- 相続人情報
  , addressee_heir_relationship jsonb  -- 相続人続柄情報
  , addressee_heir_history jsonb  -- 相続人履歴情報
  , addressee_tax_agent jsonb  -- 納税管理人情報
  , addressee_tax_agent_history jsonb  -- 納税管理人履歴情報
  , addressee_notes jsonb  -- 記事情報
  , addressee_contact jsonb  -- 連絡先情報
  , addressee_bankruptcy_trustee jsonb  -- 破産管財人情報
  , addressee_bankruptcy_trustee_history jsonb  -- 破産管財人履歴情報
  , addressee_accounts bytea  -- 口座情報
  -- ＜記事情報＞
  , note_addressee_number text  -- 宛名番号
  , note_sequence integer  -- 記事連番
  , note_written_on date  -- 記事年月日
  , note_written_at time  -- 記事時刻
  , note_code text  -- 記事コード
  , note_content text  -- 記事内容
  , note_contact_made jsonb  -- 折衝情報
  , note_negotiation jsonb  -- 交渉情報
  , note_plan jsonb  -- 予定情報
  , note_disposition_code text  -- 処分コード
  , note_report_number text  -- 調書番号
  -- ＜滞納個人情報＞
  , debtor_addressee_number text  -- 宛名番号
  , debtor_officer_in_charge text  -- 担当区分
  , debtor_district_code text  -- 地区コード
  , debtor_taken_over_on date  -- 受入年月日
  , debtor_current_year_arrears bigint  -- 現年滞納額
  , debtor_carried_over_arrears bigint  -- 滞納繰越額
  , debtor_arrears_kind text  -- 滞納区分
  , debtor_last_contact_on date  -- 最終折衝日
  , debtor_occupation text  -- 職業
  , debtor_arrears_reason text  -- 滞納理由
  , debtor_arrears_reason_detail text  -- 滞納理由補足
  , debtor_remarks text  -- 特記事項
  , debtor_payment_method text  -- 納付方法
  , debtor_visit_planned_date date  -- 訪問予定年月日
  , debtor_visit_planned_day text  -- 訪問予定日
  , debtor_visit_planned_at time  -- 訪問予定時刻
  , debtor_last_paid_on date  -- 最終納付年月日
  , debtor_last_paid_amount bigint  -- 最終納付金額
  , debtor_last_reminder_kind text  -- 最終催告種別
  , debtor_last_reminded_on date  -- 最終催告年月日
  , debtor_last_reminder_due_on date  -- 最終催告期限
  , debtor_reminders_stopped_on date  -- 催告停止日
  , debtor_reminders_stopped_until date  -- 催告停止期限
  , debtor_reminders_stopped_reason text  -- 催告停止事由
  , debtor_returned_mail jsonb  -- 返戻情報
  , debtor_field_survey jsonb  -- 実態調査情報
  , debtor_public_assistance jsonb  -- 生活保護情報
  , debtor_attachments jsonb  -- 差押情報（電話・不動産・給与・預金・郵貯・生保・債権）
  , debtor_accelerated_collections integer  -- 繰上徴収件数
  , debtor_payment_entrustments integer  -- 納付委託件数
  , debtor_payment_plans integer  -- 分割納付件数
  , debtor_collection_deferrals integer  -- 徴収猶予件数
  , debtor_late_charge_reductions integer  -- 延滞金減免件数
  , debtor_attachment_count integer  -- 差押件数
  , debtor_joint_attachments integer  -- 参加差押件数
  , debtor_distribution_demands integer  -- 交付要求件数
  , debtor_realization_deferrals integer  -- 換価猶予件数
  , debtor_disposition_stops integer  -- 処分停止件数
  , debtor_prescription_interruptions integer  -- 時効中断件数
  , debtor_prescription_expected_on date  -- 時効予定日
  , debtor_visit_payment_plan_kind text  -- 臨戸分納区分
  , debtor_collection_kind text  -- 徴収区分
  , debtor_family_register jsonb  -- 戸籍情報
  , debtor_contact jsonb  -- 連絡先情報
  -- ＜分納情報＞
  , payment_plan_disposition_code text  -- 処分コード
  , payment_plan_report_number text  -- 調書番号
  , payment_plan_disposition_sequence integer  -- 処分連番
  , payment_plan_round integer  -- 回数
  , payment_plan_appointed_on date  -- 指定期日
  , payment_plan_levied_year smallint  -- 調定年度
  , payment_plan_taxed_year smallint  -- 課税年度
  , payment_plan_premium_kind text  -- 税目
  , payment_plan_notice_number text  -- 通知書番号
  , payment_plan_business_year_from date  -- 事業年度開始日
  , payment_plan_return_kind text  -- 申告区分
  , payment_plan_return_sequence integer  -- 申告連番
  , payment_plan_term text  -- 期別
  , payment_plan_term_order integer  -- 期別順番
  , payment_plan_principal_amount bigint  -- 本税分納額
  , payment_plan_demand_fee_amount bigint  -- 督手分納額
  , payment_plan_late_charge_amount bigint  -- 延滞金分納額
  , payment_plan_additional_charge_amount bigint  -- 加算金分納額
  , payment_plan_acceptance_number text  -- 受付番号
  -- ＜滞納整理情報＞
  , settlement_arrears_history jsonb  -- 滞納履歴
  , settlement_dispositions jsonb  -- 処分情報
  , settlement_disposition_levies jsonb  -- 処分調定情報
  , settlement_public_sales jsonb  -- 公売管理情報
  , settlement_property jsonb  -- 財産情報
  , settlement_securities jsonb  -- 証券管理情報
  , settlement_payment_guidance_plan jsonb  -- 納付指導計画
);
create index arrears_ledger_addressee on arrears_ledger (addressee_number);

-- 被保険者: who has an addressee number in SKY2. The 個人番号 is sealed; it is absent where SKY2 was not told it.
-- personal: 氏名, 氏名カナ, 生年月日 and 住所 in one seal.
create table insured_person (
  addressee_number text primary key
  , individual_number bytea
  , personal bytea not null
  , constraint insured_person_addressee_number check (addressee_number ~ '^[0-9]{1,15}$')
);

-- 還付請求. account: the account received, sealed. matched: null until the holder was compared with the ledger (SC-22).
-- inquiry: the bytes that are sent to the linkage server, kept before they leave, so that a repetition sends the same.
create table refund_claim (
  claim_id text primary key
  , addressee_number text not null references insured_person (addressee_number)
  , fiscal_year smallint not null
  , amount bigint not null
  , chose_receiving_account boolean not null
  , individual_number_written boolean not null
  , state text not null
  , account bytea
  , matched boolean
  , differing_parts text[] not null default '{}'
  , inquiry bytea
  , inquiry_number text
  , reason text
  , claimed_at timestamptz not null
  , asked_at timestamptz
  , settled_at timestamptz
  , constraint refund_claim_amount check (amount > 0)
  , constraint refund_claim_state
      check (state in ('claimed', 'asked', 'matched', 'mismatched', 'not_provided', 'refused'))
  -- SK-8: without a claim that chooses the account and bears the number there is no inquiry
  , constraint refund_claim_asks_only_when_chosen
      check (state = 'claimed' or (chose_receiving_account and individual_number_written))
  , constraint refund_claim_asked check ((state = 'claimed') = (asked_at is null))
  , constraint refund_claim_inquiry check ((inquiry is null) = (asked_at is null))
  , constraint refund_claim_matched check (coalesce(matched, false) = (state = 'matched'))
  , constraint refund_claim_mismatched check ((matched is false) = (state = 'mismatched'))
  , constraint refund_claim_account check (account is null or state in ('matched', 'mismatched'))
);
create index refund_claim_open on refund_claim (state, claimed_at) where state in ('claimed', 'asked');
create unique index refund_claim_inquiry_number on refund_claim (inquiry_number);

-- 失業等給付関係情報の照会 for the reduction of a premium (特例対象被保険者等). benefit: what was received, sealed.
-- inquiry_key: the Idempotency-Key towards the linkage server; inquiry: as in refund_claim.
create table unemployment_inquiry (
  inquiry_key text primary key
  , addressee_number text not null references insured_person (addressee_number)
  , fiscal_year smallint not null
  , state text not null
  , benefit bytea
  , inquiry bytea not null
  , inquiry_number text
  , reason text
  , asked_at timestamptz not null
  , settled_at timestamptz
  , constraint unemployment_inquiry_state check (state in ('asked', 'provided', 'not_provided', 'refused'))
  , constraint unemployment_inquiry_benefit check ((benefit is not null) = (state = 'provided'))
);
create index unemployment_inquiry_open on unemployment_inquiry (asked_at) where state = 'asked';
create unique index unemployment_inquiry_inquiry_number on unemployment_inquiry (inquiry_number);

-- changing requests of the staff API by Idempotency-Key: a repetition gets the same answer and changes nothing.
-- digest: keyed, over path and body, since a body may hold an 個人番号
create table staff_request (
  idempotency_key text primary key
  , digest bytea not null
  , answer jsonb
  , received_at timestamptz not null
  , constraint staff_request_digest check (octet_length(digest) = 32)
);
