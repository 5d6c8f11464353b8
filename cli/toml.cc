/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */

/* The only C++ of mayfly: toml++ behind toml.h. No exception leaves this file. */
#include "cli/toml.h"

#include <exception>
#include <string>
#include <string_view>
#include <toml++/toml.h>

namespace {

struct reader {
	const char *name;
	toml_item_fn *fn;
	void *arg;
	struct err *err;
};

int fail_at(const reader &r, const toml::source_region &where)
{
	r.err->code = ERR_USAGE;
	return err_wrap(r.err, "%s:%u:%u", r.name, where.begin.line, where.begin.column);
}

/* A text with a NUL inside would reach C shortened: it is no string of ours. */
bool is_plain(const std::string &text)
{
	return text.find('\0') == std::string::npos;
}

void fill_strings(const toml::array &array, toml_item &item)
{
	item.type = TOML_STRINGS;
	for (const toml::node &node : array) {
		const toml::value<std::string> *string = node.as_string();

		if (string == nullptr || !is_plain(string->get())) {
			item.type = TOML_OTHER;
			return;
		}
		if (item.n_strings < TOML_MAX_STRINGS)
			item.strings[item.n_strings] = string->get().c_str();
		item.n_strings++;
	}
}

void fill_value(const toml::node &node, toml_item &item)
{
	item.type = TOML_OTHER;
	if (const auto *string = node.as_string()) {
		if (is_plain(string->get()))
			item.type = TOML_STRING;
		item.string = string->get().c_str();
	} else if (const auto *integer = node.as_integer()) {
		item.type = TOML_INTEGER;
		item.integer = integer->get();
	} else if (const auto *boolean = node.as_boolean()) {
		item.type = TOML_BOOLEAN;
		item.integer = boolean->get() ? 1 : 0;
	} else if (const auto *array = node.as_array()) {
		fill_strings(*array, item);
	}
}

int read_value(const reader &r, const char *section, const toml::key &key, const toml::node &node)
{
	const std::string name(key.str());
	toml_item item = {};

	item.section = section;
	item.key = name.c_str();
	fill_value(node, item);
	return r.fn(r.arg, &item, r.err) < 0 ? fail_at(r, key.source()) : 0;
}

int read_section(const reader &r, const toml::key &key, const toml::table &table)
{
	const std::string name(key.str());
	toml_item head = {};

	head.section = name.c_str();
	head.type = TOML_SECTION;
	if (r.fn(r.arg, &head, r.err) < 0)
		return fail_at(r, key.source());
	for (auto &&[inner, node] : table) {
		if (read_value(r, name.c_str(), inner, node) < 0)
			return -1;
	}
	return 0;
}

int read_document(const reader &r, const toml::table &document)
{
	for (auto &&[key, node] : document) {
		const toml::table *table = node.as_table();

		if ((table != nullptr ? read_section(r, key, *table) : read_value(r, "", key, node)) < 0)
			return -1;
	}
	return 0;
}

} // namespace

int toml_read(const char *name, const char *text, size_t len, toml_item_fn *fn, void *arg, struct err *err)
{
	try {
		return read_document({ name, fn, arg, err },
				     toml::parse(std::string_view(text, len), std::string_view(name)));
	} catch (const toml::parse_error &e) {
		const std::string what(e.description());

		return err_set(err, ERR_USAGE, "%s:%u:%u: %s", name, e.source().begin.line,
			       e.source().begin.column, what.c_str());
	} catch (const std::exception &e) {
		return err_set(err, ERR_FAILED, "%s: %s", name, e.what());
	}
}
