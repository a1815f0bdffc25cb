using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using RunnerVm.Vmm.Monitor.Control;

namespace RunnerVm.Vmm.Monitor.Json;

/// <summary>
/// JSON from outside, taken whole or refused: valid UTF-8, no deeper than 64, no name twice in one object, every string
/// one that can be read. What comes out can be walked without surprises.
/// </summary>
internal static class JsonBody
{
    public const int MostDepth = 64;

    /// <summary>
    /// Text is for programs that read JSON, never for a page of HTML: only what JSON wants escaped is. Not kept: who only reads
    /// needs no encoder, and making one takes as long as reading a configuration.
    /// </summary>
    public static JsonWriterOptions Writing => new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, MaxDepth = MostDepth + 2 };

    private static readonly JsonDocumentOptions Options = new() { MaxDepth = MostDepth, AllowDuplicateProperties = false };

    /// <param name="what">For the refusal: "the body of PUT /vsock", "the configuration file a.json".</param>
    /// <exception cref="VmmFaultException">With the place in the text.</exception>
    public static JsonElement Parse(ReadOnlySpan<byte> json, string what)
    {
        if (json.StartsWith("\uFEFF"u8)) json = json[3..];
        if (!Utf8.IsValid(json)) throw new VmmFaultException($"Cannot read {what}: it is not UTF-8. Send JSON in UTF-8.");
        try
        {
            CheckStrings(json);
            using var document = JsonDocument.Parse(json.ToArray(), Options);
            return document.RootElement.Clone();
        }
        catch (JsonException cause)
        {
            throw new VmmFaultException($"Cannot read {what} as JSON{Place(cause)}: {Reason(cause)}", cause);
        }
    }

    /// <summary>UTF-8 text of what <paramref name="write"/> writes.</summary>
    public static byte[] Write(Action<Utf8JsonWriter> write)
    {
        var into = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(into, Writing)) write(writer);
        return into.WrittenSpan.ToArray();
    }

    /// <summary>\ud800 without its other half is JSON by the grammar, and not text: whoever reads the string would throw.</summary>
    private static void CheckStrings(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MostDepth });
        while (reader.Read())
        {
            if (!reader.ValueIsEscaped || reader.TokenType is not (JsonTokenType.String or JsonTokenType.PropertyName)) continue;
            try
            {
                reader.GetString();
            }
            catch (InvalidOperationException cause)
            {
                throw new JsonException("half of a surrogate pair is no character", null, null, null, cause);
            }
        }
    }

    private static string Place(JsonException cause) =>
        cause.LineNumber is { } line && cause.BytePositionInLine is { } column ? $" (line {line + 1}, byte {column + 1})" : "";

    /// <summary>The first sentence: the rest of the runtime's message is the place again, in its own words.</summary>
    private static string Reason(JsonException cause)
    {
        var message = new StringBuilder(cause.Message);
        var end = cause.Message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        if (end > 0) message.Length = end;
        var text = message.ToString().TrimEnd(' ', '.');
        return (text.Length > 200 ? text[..200] + "…" : text) + ".";
    }
}
