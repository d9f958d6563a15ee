-- migrate:up
CREATE TABLE history_keyed (
    series      bigint NOT NULL PRIMARY KEY,
    -- who invented the prices; '' where they are those of the exchange, whatever way they came
    venue       text NOT NULL,
    -- filled from the instrument by the program where it is ''
    exchange    text NOT NULL,
    symbol      text NOT NULL,
    -- length of a bar in nanoseconds
    bar_ns      bigint NOT NULL,
    -- the instrument as JSON: exchange, tick size, decimals; chunks are never finer than its decimals
    instrument  text NOT NULL,
    source      text NOT NULL,
    UNIQUE (venue, exchange, symbol, bar_ns)
);

INSERT INTO history_keyed
    SELECT series, CASE WHEN source IN ('venue embedded', 'venue exchange') THEN substr(source, 7) ELSE '' END, '',
           symbol, bar_ns, instrument, source
    FROM history_series;

DROP TABLE history_series;

ALTER TABLE history_keyed RENAME TO history_series;

-- jumps between two sessions that a person knows to be none of a split: `day` is the first of the second session
CREATE TABLE history_accepted (
    exchange    text NOT NULL,
    symbol      text NOT NULL,
    -- counted from 1970-01-01, of the exchange
    day         bigint NOT NULL,
    PRIMARY KEY (exchange, symbol, day)
);

-- migrate:down
DROP TABLE history_accepted;

CREATE TABLE history_unkeyed (
    series      bigint NOT NULL PRIMARY KEY,
    symbol      text NOT NULL,
    bar_ns      bigint NOT NULL,
    instrument  text NOT NULL,
    source      text NOT NULL,
    UNIQUE (symbol, bar_ns)
);

INSERT INTO history_unkeyed
    SELECT series, symbol, bar_ns, instrument, source FROM history_series
    WHERE series IN (SELECT min(series) FROM history_series GROUP BY symbol, bar_ns);

DROP TABLE history_series;

ALTER TABLE history_unkeyed RENAME TO history_series;
