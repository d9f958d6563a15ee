-- migrate:up
CREATE TABLE history_series (
    series      bigint NOT NULL PRIMARY KEY,
    symbol      text NOT NULL,
    -- length of a bar in nanoseconds
    bar_ns      bigint NOT NULL,
    -- the instrument as JSON: exchange, tick size, decimals; chunks are never finer than its decimals
    instrument  text NOT NULL,
    source      text NOT NULL,
    UNIQUE (symbol, bar_ns)
);

CREATE TABLE history_chunks (
    -- series * 2^24 + number of the period + 2^23: the chunks of a series lie side by side in the order of time
    slot     bigint NOT NULL PRIMARY KEY,
    bars     bigint NOT NULL,
    -- start of the first and of the last bar, nanoseconds UTC
    first_at bigint NOT NULL,
    last_at  bigint NOT NULL,
    body     bytea NOT NULL
);

-- what a venue has been asked for: [since, until) in nanoseconds UTC; a download asks only for the rest
CREATE TABLE history_asked (
    series  bigint NOT NULL,
    since   bigint NOT NULL,
    until   bigint NOT NULL,
    PRIMARY KEY (series, since)
);

-- migrate:down
DROP TABLE history_asked;
DROP TABLE history_chunks;
DROP TABLE history_series;
