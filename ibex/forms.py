"""The form beside every change that wants to know why."""

from django import forms


class ReasonForm(forms.Form):
    """Why an operator changes something; kept in the audit."""

    reason = forms.CharField(max_length=500)
