-- The law's two tables as a database reads them: a second evaluation of the permission list, from the cells of the law itself.
-- Written apart from permission_lists: nothing here was taken from its rows, its terms or its reading of the cells.

create table law (basis text, item text, requester text, provider text, information text);
create table question (id integer, asked_on date, inquirer text, provider text, basis text, item text, information text);

create table basis (basis text primary key, first_day date not null, last_day date not null);
insert into basis values ('beppyo2-2022', '2022-06-17', '2024-05-26'), ('meirei-2024', '2024-05-27', 'infinity');

-- 定義: 番号法第7条第1項、別表第一の9の項、別表第二の1の項、命令第2条の表の1・2・13の項、国家公務員共済組合法第3条、地方公務員等共済組合法第3条
create table means (word text, kind text);
insert into means values
    ('市町村長', '市長'), ('市町村長', '町村長'), ('市町村長', '特別区の区長'),
    ('都道府県知事等', '都道府県知事'), ('都道府県知事等', '市長'), ('都道府県知事等', '特別区の区長'), ('都道府県知事等', '福祉事務所を管理する町村長'),
    ('共済組合等', '日本私立学校振興・共済事業団'), ('共済組合等', '国家公務員共済組合連合会'), ('共済組合等', '地方公務員共済組合'),
    ('共済組合等', '全国市町村職員共済組合連合会'),
    ('医療保険者', '全国健康保険協会'), ('医療保険者', '健康保険組合'), ('医療保険者', '日本私立学校振興・共済事業団'),
    ('医療保険者', '国家公務員共済組合'), ('医療保険者', '地方公務員共済組合'), ('医療保険者', '国民健康保険組合'),
    ('医療保険者', '市長'), ('医療保険者', '町村長'), ('医療保険者', '特別区の区長');
insert into means select word, word from unnest(array[
    '厚生労働大臣', '内閣総理大臣', '法務大臣', '総務大臣', '文部科学大臣', '国土交通大臣', '経済産業大臣', '環境大臣', '国税庁長官',
    '都道府県知事', '広島市長', '長崎市長', '都道府県教育委員会', '市町村教育委員会', '社会福祉協議会', '全国健康保険協会', '健康保険組合',
    '国民健康保険組合', '後期高齢者医療広域連合', '日本私立学校振興・共済事業団', '国家公務員共済組合', '国家公務員共済組合連合会',
    '地方公務員共済組合', '全国市町村職員共済組合連合会', '地方公務員災害補償基金', '日本年金機構', '国民年金基金', '国民年金基金連合会',
    '石炭鉱業年金基金', '企業年金連合会', '農林漁業団体職員共済組合', '独立行政法人農業者年金基金', '独立行政法人日本スポーツ振興センター',
    '独立行政法人医薬品医療機器総合機構', '独立行政法人日本学生支援機構', '日本行政書士会連合会', '日本税理士会連合会',
    '全国社会保険労務士会連合会']) as word;

-- 法の文言のままでは区切れない者。他の法令で定まる者は、ここにない限り誰でもない（許可しない）。
create table phrase (pattern text, word text);
insert into phrase values
    ('医療保険者その他の法令による%', '医療保険者'),
    ('市町村長（児童手当法第十七条第一項の表の下欄に掲げる者を含む。）', '市町村長'),
    ('%保健所を設置する市の長', '都道府県知事'), ('%保健所を設置する市（特別区を含む。）の長', '都道府県知事'),
    ('%に規定する事業主等又は企業年金連合会', '企業年金連合会'), ('%に規定する存続連合会又は企業年金連合会', '企業年金連合会'),
    ('%以下この条において「都道府県知事等」という。）', '都道府県知事等'),
    ('医療保険者（%第四十八条に規定する後期高齢者医療広域連合（%', '医療保険者'),
    ('医療保険者（%第四十八条に規定する後期高齢者医療広域連合（%', '後期高齢者医療広域連合');
insert into means values ('保健所を設置する市の長', '保健所を設置する市の長'), ('特別区の区長', '特別区の区長');
insert into phrase values
    ('%保健所を設置する市の長', '保健所を設置する市の長'), ('%保健所を設置する市（特別区を含む。）の長', '保健所を設置する市の長'),
    ('%保健所を設置する市（特別区を含む。）の長', '特別区の区長');

create table agency (name text, kind text);
insert into agency values
    ('世田谷区長', '特別区の区長'), ('目黒区長', '特別区の区長'), ('横浜市長', '市長'), ('横浜市長', '保健所を設置する市の長'),
    ('広島市長', '市長'), ('広島市長', '保健所を設置する市の長'), ('広島市長', '広島市長'), ('調布市長', '市長'), ('架空町長', '町村長'),
    ('東京都知事', '都道府県知事'), ('長崎県知事', '都道府県知事'), ('厚生労働大臣', '厚生労働大臣'), ('内閣総理大臣', '内閣総理大臣'),
    ('法務大臣', '法務大臣'), ('文部科学大臣', '文部科学大臣'), ('国税庁長官', '国税庁長官'), ('日本年金機構', '日本年金機構'),
    ('全国健康保険協会', '全国健康保険協会'), ('架空健康保険組合', '健康保険組合'), ('架空国民健康保険組合', '国民健康保険組合'),
    ('日本私立学校振興・共済事業団', '日本私立学校振興・共済事業団'), ('財務省共済組合', '国家公務員共済組合'),
    ('国家公務員共済組合連合会', '国家公務員共済組合連合会'), ('公立学校共済組合', '地方公務員共済組合'),
    ('全国市町村職員共済組合連合会', '全国市町村職員共済組合連合会'), ('東京都後期高齢者医療広域連合', '後期高齢者医療広域連合'),
    ('東京都社会福祉協議会', '社会福祉協議会'), ('東京都教育委員会', '都道府県教育委員会'), ('世田谷区教育委員会', '市町村教育委員会'),
    ('地方公務員災害補償基金', '地方公務員災害補償基金'), ('企業年金連合会', '企業年金連合会'), ('国民年金基金連合会', '国民年金基金連合会'),
    ('独立行政法人日本学生支援機構', '独立行政法人日本学生支援機構');

-- A text without its parentheses, three deep.
create function bare(cell text) returns text language sql immutable as $$
    select regexp_replace(regexp_replace(regexp_replace(regexp_replace(cell, '（[^（）]*）', '', 'g'), '（[^（）]*）', '', 'g'),
        '（[^（）]*）', '', 'g'), '（[^（）]*）', '', 'g')
$$;

-- Whom a cell means: every word of it is one of the law's words, or the cell is one of the phrases above.
create function members() returns table (cell text, kind text) language sql stable as $$
    with cells as (select requester as cell from law union select provider from law),
    pieces as (select c.cell, p.piece from cells c, regexp_split_to_table(bare(c.cell), '、|又は|若しくは') as p (piece)),
    plain as (select cell from pieces group by cell having bool_and(piece in (select word from means))),
    said as (select p.cell, p.piece as word from pieces p join plain using (cell)
        union select c.cell, f.word from cells c join phrase f on c.cell like f.pattern)
    select distinct s.cell, m.kind from said s join means m using (word)
$$;

-- One bar between the items of a cell: an item ends with 情報, and 、 or 又は or 若しくは leads to the next.
create function barred(text text) returns text language sql immutable as $$
    select '|' || replace(replace(replace(text, '情報、', '情報|'), '情報又は', '情報|'), '情報若しくは', '情報|') || '|'
$$;

-- Which information a cell names: by the short name that it gives or uses, or in full, unless it gives a short name there.
-- Two cells speak of an act that the cell itself names: 同法, and 昭和六十年法律第三十四号.
create function items_of_cells() returns table (cell text, name text) language sql stable as $$
    with cells as (select distinct information as cell from law),
    flat as (select cell, barred(replace(replace(regexp_replace(bare(cell), 'であって[^情]*で定めるもの$', ''),
        '同法による地域子ども・子育て支援事業', '子ども・子育て支援法による地域子ども・子育て支援事業'),
        '国民年金法等の一部を改正する法律', '昭和六十年法律第三十四号')) as text from cells),
    names as (select name, barred(bare(name)) as text from (select distinct information as name from question) as asked)
    select f.cell, n.name from flat f cross join names n
    where strpos(f.cell, '「' || n.name || '」という') > 0
        or (strpos(f.text, n.text) > 0 and strpos(f.cell, bare(n.name) || '（以下') = 0)
$$;

create function answers() returns table (id integer, permitted boolean) language sql stable as $$
    with member as materialized (select * from members()),
    named as materialized (select * from items_of_cells()),
    flow as materialized (
        select distinct l.basis, l.item, i.name as inquirer, p.name as provider, n.name as information
        from law l
        join member a on a.cell = l.requester join agency i on i.kind = a.kind
        join member b on b.cell = l.provider join agency p on p.kind = b.kind
        join named n on n.cell = l.information
        where i.name <> p.name)
    select q.id, count(f.basis) > 0
    from question q left join (flow join basis using (basis)) f
        on f.item = q.item and f.inquirer = q.inquirer and f.provider = q.provider and f.information = q.information
            and q.asked_on between f.first_day and f.last_day and (q.basis is null or q.basis = f.basis)
    group by q.id
$$;
