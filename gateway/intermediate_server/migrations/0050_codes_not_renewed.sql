-- Codes that the core did not renew are told as a notice of running state, whoever asks: found without looking through all the others.
create index person_code_not_renewed on person_code (integrated_number) where renewal_refused is not null;
