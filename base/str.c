/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#include "base/str.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

bool str_copy(char *dst, size_t size, const char *src)
{
	size_t len = strnlen(src, size);

	if (len == size) {
		if (size > 0) {
			memcpy(dst, src, size - 1);
			dst[size - 1] = '\0';
		}
		return false;
	}
	memcpy(dst, src, len + 1);
	return true;
}

/* Digits at *p, advancing it; false without a digit, or above max. */
static bool take_digits(const char **p, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;
	const char *s = *p;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++) {
		uint64_t digit = (uint64_t)(*s - '0');

		if (digit > max || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*p = s;
	*out = value;
	return true;
}

bool str_to_u64(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t value;

	if (!take_digits(&text, max, &value) || *text != '\0')
		return false;
	*out = value;
	return true;
}

struct unit {
	char suffix;
	uint64_t factor;
};

static bool take_unit(const char *text, const struct unit *units, size_t n_units, uint64_t *factor)
{
	for (size_t i = 0; i < n_units; i++) {
		if (text[0] == units[i].suffix && (text[0] == '\0' || text[1] == '\0')) {
			*factor = units[i].factor;
			return true;
		}
	}
	return false;
}

static bool to_scaled(const char *text, const struct unit *units, size_t n_units, uint64_t *out)
{
	uint64_t value, factor, scaled;

	if (!take_digits(&text, UINT64_MAX / 2, &value) ||
	    !take_unit(text, units, n_units, &factor))
		return false;
	if (value == 0 || __builtin_mul_overflow(value, factor, &scaled) || scaled > INT64_MAX)
		return false;
	*out = scaled;
	return true;
}

bool str_to_size(const char *text, uint64_t *bytes)
{
	static const struct unit units[] = {
		{ '\0', 1 },
		{ 'K', 1024 },
		{ 'M', 1024ULL * 1024 },
		{ 'G', 1024ULL * 1024 * 1024 },
		{ 'T', 1024ULL * 1024 * 1024 * 1024 },
	};

	return to_scaled(text, units, sizeof(units) / sizeof(units[0]), bytes);
}

bool str_to_duration(const char *text, uint64_t *seconds)
{
	static const struct unit units[] = {
		{ 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 },
	};

	return to_scaled(text, units, sizeof(units) / sizeof(units[0]), seconds);
}

static bool take_char(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

static bool take_two(const char **p, int max, int *out)
{
	const char *s = *p;

	if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9')
		return false;
	*out = (s[0] - '0') * 10 + (s[1] - '0');
	*p = s + 2;
	return *out <= max;
}

static bool take_date(const char **p, struct tm *tm)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int century, year, month, day, last;

	if (!take_two(p, 99, &century) || !take_two(p, 99, &year) || !take_char(p, '-') ||
	    !take_two(p, 12, &month) || !take_char(p, '-') || !take_two(p, 31, &day) || month < 1 ||
	    day < 1)
		return false;
	year += century * 100;
	last = days[month - 1] +
	       (month == 2 && ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0));
	*tm = (struct tm){ .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day };
	return year >= 1970 && day <= last;
}

/* "Z", "+01:00" or "-05:30": the seconds to subtract from the local reading. */
static bool take_zone(const char **p, int *offset_s)
{
	int hours, minutes, sign;

	*offset_s = 0;
	if (take_char(p, 'Z'))
		return true;
	sign = **p == '-' ? -1 : 1;
	if (!take_char(p, '+') && !take_char(p, '-'))
		return false;
	if (!take_two(p, 14, &hours) || !take_char(p, ':') || !take_two(p, 59, &minutes))
		return false;
	*offset_s = sign * (hours * 3600 + minutes * 60);
	return true;
}

bool str_to_instant(const char *text, int64_t *epoch_s)
{
	struct tm tm;
	int offset_s = 0;

	if (!take_date(&text, &tm))
		return false;
	if (*text == '\0') {
		*epoch_s = timegm(&tm) + 86400;
		return true;
	}
	if (!take_char(&text, 'T') || !take_two(&text, 23, &tm.tm_hour) || !take_char(&text, ':') ||
	    !take_two(&text, 59, &tm.tm_min))
		return false;
	if (*text == ':' && (!take_char(&text, ':') || !take_two(&text, 59, &tm.tm_sec)))
		return false;
	if (!take_zone(&text, &offset_s) || *text != '\0')
		return false;
	*epoch_s = timegm(&tm) - offset_s;
	return true;
}

const char *str_from_size(uint64_t bytes, char *buf, size_t size)
{
	static const char suffixes[] = { 'K', 'M', 'G', 'T' };
	uint64_t unit = 1;
	char suffix = '\0';

	for (size_t i = 0; i < sizeof(suffixes) && bytes / unit >= 1024; i++) {
		unit *= 1024;
		suffix = suffixes[i];
	}
	if (suffix == '\0')
		(void)snprintf(buf, size, "%llu", (unsigned long long)bytes);
	else if (bytes % unit == 0)
		(void)snprintf(buf, size, "%llu%c", (unsigned long long)(bytes / unit), suffix);
	else
		(void)snprintf(buf, size, "%.1f%c", (double)bytes / (double)unit, suffix);
	return buf;
}

const char *str_from_duration(uint64_t seconds, char *buf, size_t size)
{
	unsigned long long d = seconds / 86400, h = seconds / 3600 % 24, m = seconds / 60 % 60,
			   s = seconds % 60;

	if (d > 0 && h > 0)
		(void)snprintf(buf, size, "%llud %lluh", d, h);
	else if (d > 0)
		(void)snprintf(buf, size, "%llud", d);
	else if (h > 0 && m > 0)
		(void)snprintf(buf, size, "%lluh %llum", h, m);
	else if (h > 0)
		(void)snprintf(buf, size, "%lluh", h);
	else if (m > 0 && s > 0)
		(void)snprintf(buf, size, "%llum %llus", m, s);
	else if (m > 0)
		(void)snprintf(buf, size, "%llum", m);
	else
		(void)snprintf(buf, size, "%llus", s);
	return buf;
}

const char *str_from_instant(int64_t epoch_s, char *buf, size_t size)
{
	time_t t = (time_t)epoch_s;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		(void)snprintf(buf, size, "?");
	return buf;
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool str_is_name(const char *text)
{
	size_t len = strnlen(text, STR_NAME_MAX + 1);

	if (len == 0 || len > STR_NAME_MAX || !is_alnum(text[0]) || !is_alnum(text[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!is_alnum(text[i]) && text[i] != '-')
			return false;
	}
	return true;
}

bool str_has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = words; (at = strstr(at, word)); at += len)
		if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
	return false;
}
