using System.Security.Cryptography;
using System.Text;

namespace RunnerVm.Options.Yaml;

/// <summary>Says whether parts of two files mean the same: what is written counts, where and how it is laid out does not.</summary>
internal static class YamlFingerprint
{
    /// <param name="more">What else decides: values that come from elsewhere. They cannot be read off the result.</param>
    public static string Of(IEnumerable<YamlValue?> values, params string?[] more)
    {
        var text = new StringBuilder();
        foreach (var value in values) Write(value, text);
        foreach (var one in more) text.Append('|').Append(one);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    private static void Write(YamlValue? value, StringBuilder text)
    {
        switch (value)
        {
            case YamlText one:
                text.Append(one.Text.Length).Append(':').Append(one.Text);
                break;
            case YamlList list:
                text.Append('[');
                foreach (var item in list.Items) Write(item, text);
                text.Append(']');
                break;
            case YamlMap map:
                text.Append('{');
                foreach (var entry in map.Entries.OrderBy(static e => e.Key, StringComparer.Ordinal))
                {
                    text.Append(entry.Key).Append('=');
                    Write(entry.Value, text);
                }

                text.Append('}');
                break;
            default:
                text.Append('-');
                break;
        }
    }
}
